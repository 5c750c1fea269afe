"""Resource providers by Placement: capacity and use of all of them in a few calls, inventories of those that are not known yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from blue_wizard.errors import BlueWizardError
from blue_wizard.stats.capacity import capacity

__all__ = ["INVENTORIES_AT_ONCE", "read"]

# Parents and roots of nested providers need 1.29, and so does a summary of all providers of a tree.
_VERSION = "1.39"
INVENTORIES_AT_ONCE = 64
"""Inventories cost a call a provider; so many are read in one run at most, the others in the next ones."""
_PROBES = ("VCPU", "MEMORY_MB", "PCPU")


class _Asker(Protocol):
    def get(self, service: str, path: str, at_most: str | None = None, *, missing_ok: bool = False) -> Any: ...

    def side(self, calls: list[Callable[[], Any]]) -> list[Any]: ...


def read(asker: _Asker, known: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """All resource providers: ``{uuid, name, root, resources: {CLASS: {capacity, used}}, traits, inventories | None}``.

    ``GET /allocation_candidates?resources=VCPU:1`` answers for every tree of providers that has one VCPU left, with capacity and
    use of all its classes: one call instead of three a host. Full hosts are not in it; those with free memory come by asking for
    memory, the rest are asked one by one. `traits` is None for the latter.

    An inventory (totals, ratios, `max_unit`) does not change with use, so one read earlier still holds if it gives the capacity
    that Placement tells now. `known` has them by uuid, and takes the new ones.
    """
    providers = asker.get("placement", "/resource_providers", _VERSION)["resource_providers"]
    answers = asker.side(
        [
            partial(asker.get, "placement", f"/allocation_candidates?resources={name}:1", _VERSION, missing_ok=True)
            for name in _PROBES
        ]
    )
    summaries: dict[str, Any] = {}
    for answer in answers:
        summaries |= (answer or {}).get("provider_summaries", {})
    full = [p["uuid"] for p in providers if p["uuid"] not in summaries]
    usages = dict(zip(full, asker.side([partial(_usages, asker, u) for u in full]), strict=True)) if full else {}
    fresh = dict(zip(full, asker.side([partial(_inventories, asker, u) for u in full]), strict=True)) if full else {}
    resources = {
        uuid: {name: dict(numbers) for name, numbers in s["resources"].items()} for uuid, s in summaries.items()
    } | {
        uuid: {
            name: {"capacity": _capacity(inventory), "used": usages[uuid].get(name, 0)}
            for name, inventory in fresh[uuid].items()
        }
        for uuid in full
    }
    stale = [p["uuid"] for p in providers if p["uuid"] in summaries and not _holds(known, p["uuid"], resources)]
    chosen = stale[:INVENTORIES_AT_ONCE]
    for uuid in stale:
        known.pop(uuid, None)
    if chosen:
        fresh |= _as_many(asker, chosen)
    known |= fresh
    return [
        {
            "uuid": p["uuid"],
            "name": p["name"],
            "root": p.get("root_provider_uuid") or p["uuid"],
            "resources": resources.get(p["uuid"], {}),
            "traits": summaries[p["uuid"]].get("traits") if p["uuid"] in summaries else None,
            "inventories": known.get(p["uuid"]),
        }
        for p in providers
    ]


def _as_many(asker: _Asker, uuids: list[str]) -> dict[str, Any]:
    """The inventories that can be read. They only refine what is known already, so one that fails is left for the next run."""

    def one(uuid: str) -> Any:
        try:
            return _inventories(asker, uuid)
        except BlueWizardError:
            return None

    answers = asker.side([partial(one, uuid) for uuid in uuids])
    return {uuid: answer for uuid, answer in zip(uuids, answers, strict=True) if answer is not None}


def _inventories(asker: _Asker, uuid: str) -> dict[str, Any]:
    found: dict[str, Any] = asker.get("placement", f"/resource_providers/{uuid}/inventories", _VERSION)["inventories"]
    return found


def _usages(asker: _Asker, uuid: str) -> dict[str, int]:
    found: dict[str, int] = asker.get("placement", f"/resource_providers/{uuid}/usages", _VERSION)["usages"]
    return found


def _capacity(inventory: Mapping[str, Any]) -> int:
    return capacity(inventory["total"], inventory["reserved"], inventory["allocation_ratio"])


def _holds(
    known: Mapping[str, Mapping[str, Any]], uuid: str, resources: Mapping[str, Mapping[str, Mapping[str, int]]]
) -> bool:
    before, now = known.get(uuid), resources[uuid]
    return before is not None and {n: _capacity(i) for n, i in before.items()} == {
        n: numbers["capacity"] for n, numbers in now.items()
    }

"""A flavor that no host aggregate fits: every server of it ends in ERROR."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Aggregates, Flavors
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["flavor_aggregate"]

_PREFIX = "aggregate_instance_extra_specs:"
_NUMBERS = ("=", "<", ">", "s<", "s>")


@check(
    "cross.flavor-aggregate",
    N_("No host has what the flavor asks for"),
    severity=Severity.WARNING,
    remedy=N_(
        "Put hosts into an aggregate with {key}={value}, or correct the flavor: openstack flavor unset "
        "--property aggregate_instance_extra_specs:{key} {name}"
    ),
    profile=Profile.DAILY,
)
def flavor_aggregate(flavors: Flavors, aggregates: Aggregates) -> Iterable[Finding]:
    """A plain value, one of ``<or> a <or> b``, or ``s== a`` must be that of an aggregate with hosts."""
    for f in flavors.rows:
        for spec, value in sorted(f.specs.items()):
            key = spec.removeprefix(_PREFIX)
            wanted = _wanted(value)
            if key == spec or not wanted:
                continue
            # The metadata may hold several values, separated by commas.
            has = {v.strip() for a in aggregates.rows if a.hosts for v in a.metadata.get(key, "").split(",")}
            if not wanted & has:
                yield found(
                    f"{f.id}:{key}",
                    N_("Flavor {name} wants hosts with {key}={value}; no aggregate with hosts has it."),
                    evidence=[
                        f"GET /flavors/detail: {spec} = {value}",
                        f"GET /os-aggregates: {', '.join(sorted(has - {''})) or 'none'}",
                    ],
                    name=f.name,
                    key=key,
                    value=value,
                )


def _wanted(value: str) -> set[str]:
    """The values that would do; none where it is a comparison that is not understood here."""
    words = value.strip()
    if words.startswith("<or>"):
        return {w.strip() for w in words.split("<or>") if w.strip()}
    if words.startswith("s== "):
        return {words.removeprefix("s== ").strip()}
    return set() if words.startswith(_NUMBERS) or words.startswith(("<in>", "<all-in>", "s!=")) else {words}

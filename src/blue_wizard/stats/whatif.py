"""What if: so many servers more, a host gone, the OSDs of a host gone. Pure: everything happens in the snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from blue_wizard.errors import InputError
from blue_wizard.stats.capacity import MEMORY, PCPU, VCPU, Host, pack, without
from blue_wizard.stats.ceph_capacity import Root
from blue_wizard.stats.headroom import requests_on
from blue_wizard.stats.platform import Platform
from blue_wizard.text import _

__all__ = ["ServersOutcome", "StorageOutcome", "servers", "storage"]


@dataclass(frozen=True)
class ServersOutcome:
    """Where servers would go. `moved` are those of lost hosts, `added` new ones; `homeless` counts what finds no room,
    `hosts` by host how many it takes. Shares are percents of the capacity of the hosts that take servers, before and after."""

    moved: int
    added: int
    homeless_moved: int
    homeless_added: int
    hosts: tuple[tuple[str, int], ...]
    vcpus_before: float | None
    vcpus_after: float | None
    memory_before: float | None
    memory_after: float | None

    @property
    def fits(self) -> bool:
        """Whether everything finds room."""
        return not self.homeless_moved and not self.homeless_added


def servers(
    platform: Platform, *, flavor: str = "", count: int = 0, lost: Sequence[str] = (), zone: str = ""
) -> ServersOutcome:
    """First the servers of the lost hosts are packed onto the others, then the new ones. Raises InputError for a name that is
    not known."""
    known = {h.name for h in platform.hosts}
    for name in lost:
        if name not in known:
            raise InputError(_("There is no compute host {name}.").format(name=name), _("See: blue-wizard stats hosts"))
    hosts = without(platform.hosts, *lost)
    moving = [request for name in lost for _id, request in requests_on(platform, name)]
    first = pack(hosts, moving)
    adding = []
    if count:
        found = next((f for f in platform.flavors if flavor in {f["name"], f["id"]}), None)
        if found is None:
            raise InputError(_("There is no flavor {name}.").format(name=flavor), _("See: blue-wizard stats flavors"))
        adding = [replace(platform.requests[found["id"]], zone=zone)] * count
    second = pack(first.hosts, adding)
    took = Counter(first.placed.values()) + Counter(second.placed.values())
    return ServersOutcome(
        len(moving),
        len(adding),
        len(first.left),
        len(second.left),
        tuple(sorted(took.items())),
        _share(platform.hosts, (VCPU, PCPU)),
        _share(second.hosts, (VCPU, PCPU)),
        _share(platform.hosts, (MEMORY,)),
        _share(second.hosts, (MEMORY,)),
    )


def _share(hosts: Sequence[Host], resources: Sequence[str]) -> float | None:
    chosen = [h for h in hosts if h.takes_servers]
    whole = sum(h.capacity.get(r, 0) for h in chosen for r in resources)
    return 100 * sum(h.used.get(r, 0) for h in chosen for r in resources) / whole if whole else None


@dataclass(frozen=True)
class StorageOutcome:
    """A CRUSH root without some failure domains. `heals`: enough are left for all copies. `moved` are the raw bytes to be
    written again (None where the OSDs' use is not known). `percent_after` is the share used when that is done; `state` is one
    of ok, nearfull, full, degraded."""

    root: str
    lost: tuple[str, ...]
    heals: bool
    moved: int | None
    percent_before: float | None
    percent_after: float | None
    state: str


def storage(roots: Sequence[Root], lost: Sequence[str]) -> list[StorageOutcome]:
    """Each root that has OSDs in the lost domains. Raises InputError when none has."""
    found = [_without(root, lost) for root in roots if set(lost) & set(root.domains)]
    missing = [name for name in lost if not any(name in root.domains for root in roots)]
    if missing:
        known = ", ".join(sorted({d for root in roots for d in root.domains}))
        raise InputError(
            _("No CRUSH root has the failure domain {name}.").format(name=", ".join(missing)),
            _("Known are: {names}").format(names=known),
        )
    return found


def _without(root: Root, lost: Sequence[str]) -> StorageOutcome:
    gone = tuple(d for d in root.domains if d in lost)
    left = sum(size for name, size in root.domains.items() if name not in gone)
    heals = len(root.domains) - len(gone) >= root.copies
    known = all(o.used is not None for o in root.osds)
    moved = sum(o.used or 0 for o in root.osds if o.domain in gone) if known else None
    before = 100 * root.used / root.size if root.size else None
    # Copies that can't heal stay where they are.
    held = root.used if heals else root.used - (moved or 0)
    after = 100 * held / left if left else None
    if after is None or after >= 100 * root.full:
        state = "full"
    elif after >= 100 * root.nearfull:
        state = "nearfull"
    else:
        state = "ok" if heals else "degraded"
    return StorageOutcome(root.name, gone, heals, moved if heals else 0, before, after, state)

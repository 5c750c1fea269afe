"""From Cinder, Glance and Ceph."""

from __future__ import annotations

from typing import Any

from blue_wizard.facts.ceph_cluster import (
    CephCrashes,
    CephHealth,
    CephMap,
    CephOsdPerf,
    CephOsdUse,
    CephRules,
    CephStatus,
    CephTree,
    CephUse,
    CephVersions,
    RbdImages,
    RbdSizes,
    RbdSnapshots,
)
from blue_wizard.facts.volume import (
    Attachments,
    Backups,
    Images,
    Snapshots,
    VolumePools,
    Volumes,
    VolumeServices,
    VolumeTypes,
)
from blue_wizard.inspect.facts import provides
from blue_wizard.inspect.site import Site

__all__: list[str] = []

_ALL = "all_tenants=1&limit=1000"
_SERVICES = "3.48"


@provides
def volumes(site: Site) -> Volumes:
    """All pages."""
    return Volumes.parse(site.list("block_storage", f"/volumes/detail?{_ALL}", "volumes"))


@provides
def snapshots(site: Site) -> Snapshots:
    """All pages."""
    return Snapshots.parse(site.list("block_storage", f"/snapshots/detail?{_ALL}", "snapshots"))


@provides
def attachments(site: Site) -> Attachments:
    """All pages."""
    return Attachments.parse(site.list("block_storage", f"/attachments/detail?{_ALL}", "attachments"))


@provides
def backups(site: Site) -> Backups:
    """All pages."""
    return Backups.parse(site.list("block_storage", f"/backups/detail?{_ALL}", "backups"))


@provides
def services(site: Site) -> VolumeServices:
    """One call. From 3.49 on Cinder would ask its scheduler for the states of backends, and not answer while that is down."""
    return VolumeServices.parse(site.get("block_storage", "/os-services", microversion=_SERVICES)["services"])


@provides
def pools(site: Site) -> VolumePools:
    """One call."""
    return VolumePools.parse(site.get("block_storage", "/scheduler-stats/get_pools?detail=true")["pools"])


@provides
def types(site: Site) -> VolumeTypes:
    """One call."""
    return VolumeTypes.parse(site.get("block_storage", "/types?is_public=None")["volume_types"])


@provides
def images(site: Site) -> Images:
    """All pages: Glance's own are of 25, and end in ``next``, a path with its version. Hidden and community ones are
    listed apart."""
    site.require_admin()
    rows: dict[str, dict[str, Any]] = {}
    for which in ("os_hidden=false", "os_hidden=true", "visibility=community"):
        path: str | None = f"/images?limit=1000&{which}"
        while path:
            page = site.get("image", path)
            rows |= {r["id"]: r for r in page["images"]}
            path = str(page["next"]).removeprefix("/v2") if page.get("next") and page["images"] else None
    return Images.parse(rows.values())


@provides
def health(site: Site) -> CephHealth:
    """``ceph health detail``."""
    return CephHealth.parse(site.ceph().ask("health", detail="detail"))


@provides
def status(site: Site) -> CephStatus:
    """``ceph status``."""
    return CephStatus.parse(site.ceph().ask("status"))


@provides
def osd_map(site: Site) -> CephMap:
    """``ceph osd dump``."""
    return CephMap.parse(site.ceph().ask("osd dump"))


@provides
def tree(site: Site) -> CephTree:
    """``ceph osd tree``."""
    return CephTree.parse(site.ceph().ask("osd tree"))


@provides
def rules(site: Site) -> CephRules:
    """``ceph osd crush rule dump``."""
    return CephRules.parse(site.ceph().ask("osd crush rule dump"))


@provides
def use(site: Site) -> CephUse:
    """``ceph df detail``."""
    return CephUse.parse(site.ceph().ask("df", detail="detail"))


@provides
def osd_use(site: Site) -> CephOsdUse:
    """``ceph osd df``."""
    return CephOsdUse.parse(site.ceph().ask_manager("osd df"))


@provides
def osd_perf(site: Site) -> CephOsdPerf:
    """``ceph osd perf``."""
    return CephOsdPerf.parse(site.ceph().ask_manager("osd perf"))


@provides
def versions(site: Site) -> CephVersions:
    """``ceph versions``."""
    return CephVersions.parse(site.ceph().ask("versions"))


@provides
def crashes(site: Site) -> CephCrashes:
    """``ceph crash ls-new``."""
    return CephCrashes.parse(site.ceph().ask_manager("crash ls-new") or ())


def _rbd_pools(site: Site) -> tuple[str, ...]:
    return CephMap.parse(site.ceph().ask("osd dump")).rbd_pools


@provides
def rbd_images(site: Site) -> RbdImages:
    """The listing of each RBD pool (one object read a pool, however many images)."""
    return RbdImages.parse({pool: site.ceph().images(pool) for pool in _rbd_pools(site)})


@provides
def rbd_sizes(site: Site) -> RbdSizes:
    """Each volume's image is opened: for deep profiles only."""
    found: dict[str, int] = {}
    for pool in _rbd_pools(site):
        names = [name for name in site.ceph().images(pool) if name.startswith("volume-")]
        found |= site.ceph().sizes(pool, names)
    return RbdSizes(found)


@provides
def rbd_snapshots(site: Site) -> RbdSnapshots:
    """Each volume's image is opened: for deep profiles only."""
    found: dict[str, frozenset[str]] = {}
    for pool in _rbd_pools(site):
        names = [name for name in site.ceph().images(pool) if name.startswith("volume-")]
        found |= {name: frozenset(snaps) for name, snaps in site.ceph().snapshots(pool, names).items()}
    return RbdSnapshots(found)

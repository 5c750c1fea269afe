"""The copy of a project as a plan: what its objects need of each other in order, then images and volumes side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from blue_wizard.errors import InputError
from blue_wizard.jobs.actions import planner, reporter
from blue_wizard.jobs.model import Invariant, Json, Plan, Risk, Step
from blue_wizard.migrate import preconditions
from blue_wizard.migrate.mapping import GIB, MapFile
from blue_wizard.migrate.origin_cloud.api import Api
from blue_wizard.migrate.origin_cloud.servers import LOOSE
from blue_wizard.migrate.preconditions import Finding
from blue_wizard.migrate.project import actions, images
from blue_wizard.migrate.project.copying import Copying, correspond, mapping_of
from blue_wizard.migrate.project.inventory import KINDS, ORIGIN, Inventory, Item, read
from blue_wizard.migrate.project.names import kind_text
from blue_wizard.migrate.sources import Source, open_source
from blue_wizard.migrate.steps import around_export
from blue_wizard.migrate.targets.common import ceph_access
from blue_wizard.reach import ceph, openstack
from blue_wizard.text import _

__all__ = ["OPERATION", "Params", "look", "modules", "plan_of", "write_mapping"]

OPERATION = "migrate.project"
modules = (actions, images)
"""The modules that register the actions of such a copy."""
_QUOTAS = {
    "network": "network",
    "subnet": "subnet",
    "router": "router",
    "group": "security_group",
}


@dataclass(frozen=True)
class Params:
    """What is copied: the source's URL, the cloud, kinds of `KINDS`, and what stands for what."""

    source: str
    cloud: str
    only: tuple[str, ...] = KINDS
    mapped: MapFile = field(default_factory=MapFile)
    max_rate: str = ""


@dataclass(frozen=True)
class Looked:
    """Both projects, and what is to be done."""

    old: Inventory
    new: Inventory
    copying: Copying
    plan: Plan

    @property
    def complete(self) -> bool:
        """Nothing is left to make."""
        return not self.plan.steps and not self.plan.children


def look(params: Params) -> Looked:
    """Compare the two projects, and plan. Reads only.

    Raises InputError or Refused with everything that does not hold, before anything is made.
    """
    source = open_source(params.source)
    name = getattr(source, "cloud_name", None)
    if name is None:
        raise InputError(
            _("{url} is not the URL of a cloud.").format(url=params.source),
            _("Write openstack://NAME, with the name of an entry in clouds.yaml."),
        )
    theirs, ours = Api(openstack.connect(name)), Api(openstack.connect(params.cloud))
    old, new = read(theirs), read(ours, flavors=False)
    if old.project == new.project:
        raise InputError(
            _("{source} and {cloud} are one project.").format(source=name, cloud=params.cloud),
            _("Name another project's entry of clouds.yaml: --cloud NAME"),
        )
    copying = correspond(old, new, params.mapped, params.only)
    findings = [*copying.findings, *_quota_findings(ours, copying), *_space_findings(params.cloud, copying)]
    preconditions.judge(findings)
    return Looked(old, new, copying, _plan(params, source, copying, findings))


def _plan(params: Params, source: Source, copying: Copying, findings: Sequence[Finding]) -> Plan:
    lock = f"project:{params.source}/{params.cloud}"
    uses = (f"source-host:{source.target}", f"cloud:{params.cloud}")
    children = [
        *(_child(_image_steps(params, i), i, source, uses) for i in copying.images),
        *(_child(_volume_steps(params, v), v, source, uses) for v in copying.volumes),
    ]
    steps = list(copying.steps)
    if steps:
        steps[0] = replace(steps[0], locks=(lock,))
    elif children:
        children[0] = replace(children[0], steps=(replace(children[0].steps[0], locks=(lock,)), *children[0].steps[1:]))
    return Plan(
        title=_("Copy project of {source} into {cloud}").format(source=params.source, cloud=params.cloud),
        operation=OPERATION,
        params={
            "source": params.source,
            "cloud": params.cloud,
            "only": list(params.only),
            "mapped": params.mapped.model_dump(mode="json"),
            "max_rate": params.max_rate,
        },
        steps=tuple(steps),
        children=tuple(children),
        preconditions=tuple(f.as_precondition() for f in findings),
        invariant=Invariant(_("nothing that belongs to the source's project is changed")),
    )


def _child(steps: Sequence[Step], item: Item, source: Source, uses: tuple[str, ...]) -> Plan:
    params = {"kind": item.kind, "id": item.id, "name": item.name}
    title = f"{kind_text(item.kind)} {item.name}"
    return Plan(title=title, operation=f"{OPERATION}.{item.kind}", params=params, steps=tuple(steps),
                target=source.target, uses=uses)  # fmt: skip


def _image_steps(params: Params, image: Item) -> list[Step]:
    args = {
        "source": params.source,
        "cloud": params.cloud,
        "origin": image.id,
        "name": image.name,
        "size": image.extra["size"],
        "hash": list(image.extra["hash"]),
        "body": {**image.body, "tags": list(image.tags)},
    }
    title = _("copy image {name} ({size:.1f} GiB)").format(name=image.name, size=image.extra["size"] / GIB)
    why = _("hashed on the way, and compared with what both Glances say")
    return [Step("image", "glance.copy.image", args, title, why, Risk.LOW, 5 + image.extra["size"] / (50 << 20))]


def _volume_steps(params: Params, volume: Item) -> list[Step]:
    size = volume.body["size"]
    made = {
        "cloud": params.cloud,
        "name": volume.body["name"],
        "description": volume.body["description"],
        "gib": size,
        "volume_type": params.mapped.volume_type,
        "boot": volume.extra["bootable"],
        "image_metadata": dict(volume.extra["image_metadata"]),
        "metadata": {**volume.body["metadata"], ORIGIN: volume.id},
    }
    moved = {
        "cloud": params.cloud,
        "source": params.source,
        "machine": LOOSE,
        "disk": volume.id,
        "size": size * GIB,
        "volume": "volume",
        "alone": True,
        "max_rate": params.max_rate,
    }
    title = _("import disk {disk} ({size:.1f} GiB) into {pool}").format(
        disk=volume.name, size=size, pool=ceph_access(params.cloud).pool
    )
    seconds = max(2.0, 20.0 * size)
    copied = Step("import", "rbd.disk.import", moved, title, _("copied, then read back and hashed"), Risk.LOW, seconds)
    title = _("make a volume of {size} GiB for {disk}").format(size=size, disk=volume.name)
    return [
        Step("volume", "cinder.volume.create", made, title, "", Risk.LOW, 3),
        *around_export(params.source, LOOSE, volume.id, 0, [copied]),
    ]


def _quota_findings(api: Api, copying: Copying) -> list[Finding]:
    need = {q: sum(s.id.startswith(f"{k}.") for s in copying.steps) for k, q in _QUOTAS.items()}
    found = []
    if any(need.values()):
        quotas = api.get("network", f"/quotas/{api.project}/details.json")["quota"]
        free = {q: quotas[q]["limit"] - quotas[q]["used"] if quotas[q]["limit"] >= 0 else None for q in need}
        found += [_quota(q, need[q], free[q]) for q in need if need[q]]
    if copying.volumes:
        limits = api.get("block_storage", "/limits")["limits"]["absolute"]
        sizes = sum(v.body["size"] for v in copying.volumes)
        for name, wanted, most, used in (
            ("volumes", len(copying.volumes), "maxTotalVolumes", "totalVolumesUsed"),
            ("gigabytes", sizes, "maxTotalVolumeGigabytes", "totalGigabytesUsed"),
        ):
            found.append(_quota(name, wanted, limits[most] - limits[used] if limits[most] >= 0 else None))
    return found


def _quota(name: str, need: int, free: int | None) -> Finding:
    detail = _("{need} needed, {free} free").format(need=need, free=_("no limit") if free is None else free)
    return Finding(_("quota of {name}").format(name=name), free is None or need <= free, detail)


def _space_findings(cloud: str, copying: Copying) -> list[Finding]:
    if not copying.volumes:
        return []
    access = ceph_access(cloud)
    with ceph.open_pool(access) as pool:
        free = pool.free()
    # The worst case: every volume full.
    need = sum(v.body["size"] for v in copying.volumes) * GIB
    detail = _("{need} GiB in the worst case, {free} GiB available").format(need=need >> 30, free=free >> 30)
    return [Finding(_("space in pool {pool}").format(pool=access.pool), need <= free, detail)]


def plan_of(params: Mapping[str, Json]) -> Params:
    """The parameters, from a plan's."""
    return Params(
        params["source"],
        params["cloud"],
        tuple(params["only"]),
        MapFile.model_validate(params["mapped"]),
        params["max_rate"],
    )


@planner(OPERATION)
def plan_again(params: Mapping[str, Json]) -> Plan:
    """The plan of the same copy as things are now. Raises what `look` raises."""
    return look(plan_of(params)).plan


@reporter(OPERATION)
def report(view: Mapping[str, Any]) -> dict[str, Json]:
    """The report: ``{objects: [{kind, name, source, id, state, sha256}]}``, of what this job made."""
    objects = [
        {
            "kind": s["id"].partition(".")[0],
            "name": s["args"].get("name"),
            "source": s["args"].get("origin"),
            "id": (s["outcome"] or {}).get("id"),
            "state": s["state"],
            "sha256": None,
        }
        for s in view["steps"]
    ]
    for child in view["children"]:
        outcomes = {s["id"]: s["outcome"] or {} for s in child["steps"]}
        kind = child["params"]["kind"]
        made = outcomes["image"] if kind == "image" else outcomes["volume"]
        objects.append(
            {
                "kind": kind,
                "name": child["params"]["name"],
                "source": child["params"]["id"],
                "id": made.get("id") or made.get("volume_id"),
                "state": child["state"],
                "sha256": made.get("sha256") or outcomes.get("import", {}).get("sha256"),
            }
        )
    return {"objects": objects}


def write_mapping(looked: Looked, mapped: MapFile, path: Path) -> MapFile:
    """Write what stands for what, for ``migrate plan --map``. Raises InputError when it can't be written."""
    made = mapping_of(looked.old, looked.new, looked.copying, mapped)
    head = _("What stands for what in {cloud}, for: blue-wizard migrate plan {source} --map {file}").format(
        cloud=looked.new.cloud, source=f"openstack://{looked.old.cloud}", file=path
    )
    body = yaml.safe_dump(made.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True)
    try:
        path.write_text(f"# {head}\n{body}")
    except OSError as e:
        raise InputError(_("{file} can't be written: {error}").format(file=path, error=e.strerror)) from e
    return made

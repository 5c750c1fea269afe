"""Cinder, Glance and their images in Ceph: the one without the other, states that do not end, counters that drift."""

from __future__ import annotations

from lab.faults import Change
from lab.faults.changes import stopped
from lab.health import planting
from lab.health.changes import ago, cells, ceph, hidden, image, inserted
from lab.health.ground import Ground

VOLUME = ("volume",)
_TYPE = "(select id from cinder.volume_types where name='rbd' and deleted=0)"


def _backend(g: Ground) -> str:
    return g.ask(f"select host from cinder.volumes where id='{g['volume']}'").strip()


def _volume(g: Ground, **values: str) -> Change:
    made = {
        "id": f"'{g.id}'",
        "display_name": "'bw-health'",
        "project_id": f"(select project_id from (select project_id from cinder.volumes where id='{g['volume']}') v)",
        "host": f"'{_backend(g)}'",
        "size": "1",
        "status": "'available'",
        "attach_status": "'detached'",
        "volume_type_id": _TYPE,
        "availability_zone": "'nova'",
        "created_at": ago(60),
        "updated_at": ago(60),
        "deleted": "0",
        "bootable": "0",
        "multiattach": "0",
        "use_quota": "1",
    }
    return inserted("cinder.volumes", f"id='{g.id}'", **{**made, **values})


def _with_image(g: Ground, **values: str) -> list[Change]:
    return [image("volumes", f"volume-{g.id}"), _volume(g, **values)]


@planting("orphan-image", check="cross.image-without-volume", object="volumes/volume-{id}")
def _(g: Ground) -> list[Change]:
    return [image("volumes", f"volume-{g.id}")]


@planting("orphan-disk", check="cross.server-disk-of-nothing", object="vms/{id}_disk")
def _(g: Ground) -> list[Change]:
    return [image("vms", f"{g.id}_disk")]


@planting("orphan-glance-data", check="cross.rbd-image-of-nothing", object="images/{id}", needs=("image",))
def _(g: Ground) -> list[Change]:
    return [image("images", g.id)]


@planting(
    "volume-without-image", check="cross.volume-without-image", object="{volume}", severity="critical", needs=VOLUME
)
def _(g: Ground) -> list[Change]:
    return [hidden("volumes", f"volume-{g['volume']}")]


@planting("glance-without-data", check="cross.glance-image-missing", object="{image}", needs=("image",))
def _(g: Ground) -> list[Change]:
    return [hidden("images", g["image"])]


@planting("volume-size", check="cross.volume-size", object="{volume}", needs=VOLUME)
def _(g: Ground) -> list[Change]:
    return [cells(g, "cinder.volumes", f"id='{g['volume']}'", size="size + 4")]


@planting("volume-error", check="cinder.volume-error", object="{id}", needs=VOLUME)
def _(g: Ground) -> list[Change]:
    return [_volume(g, status="'error_deleting'")]


@planting("volume-stuck", check="cinder.volume-stuck", object="{id}", needs=VOLUME)
def _(g: Ground) -> list[Change]:
    return [_volume(g, status="'detaching'", updated_at=ago(7200))]


@planting("volume-in-use-by-nobody", check="cinder.attachment-mismatch", object="{id}", needs=VOLUME)
def _(g: Ground) -> list[Change]:
    return _with_image(g, status="'in-use'")


@planting("volume-of-no-backend", check="cinder.orphan-volumes", object="ctl1@gone#gone", needs=VOLUME)
def _(g: Ground) -> list[Change]:
    return [_volume(g, host="'ctl1@gone#gone'")]


@planting("volume-idle", check="cinder.idle-volumes", object="{id}", severity="info", needs=VOLUME)
def _(g: Ground) -> list[Change]:
    return _with_image(g, updated_at=ago(90 * 86400), created_at=ago(90 * 86400))


@planting("snapshot-error", check="cinder.snapshot-trouble", object="{id}", needs=VOLUME)
def _(g: Ground) -> list[Change]:
    return [_snapshot(g, "error")]


def _snapshot(g: Ground, status: str) -> Change:
    return inserted(
        "cinder.snapshots",
        f"id='{g.id}'",
        id=f"'{g.id}'",
        volume_id=f"'{g['volume']}'",
        project_id=f"(select project_id from cinder.volumes where id='{g['volume']}')",
        status=f"'{status}'",
        volume_size="1",
        volume_type_id=_TYPE,
        created_at=ago(60),
        deleted="0",
        use_quota="1",
    )


def _attachment(g: Ground, server: str) -> Change:
    return inserted(
        "cinder.volume_attachment",
        f"id='{g.id}'",
        id=f"'{g.id}'",
        volume_id=f"'{g['volume']}'",
        instance_uuid=f"'{server}'",
        attach_status="'attached'",
        attach_mode="'rw'",
        created_at=ago(60),
        deleted="0",
    )


def _in_use(g: Ground) -> Change:
    return cells(g, "cinder.volumes", f"id='{g['volume']}'", status="'in-use'", attach_status="'attached'")


@planting("attachment-to-nothing", check="cross.attachment-of-nothing", object="{id}", needs=VOLUME)
def _(g: Ground) -> list[Change]:
    return [_in_use(g), _attachment(g, g.id)]


@planting(
    "cinder-alone-attaches", check="cross.attachment-disagree", object="{server}:{volume}", needs=("server", "volume")
)
def _(g: Ground) -> list[Change]:
    return [_in_use(g), _attachment(g, g["server"])]


@planting("quota-drift", check="cross.volume-quota", object="{project}", needs=("volume", "project"))
def _(g: Ground) -> list[Change]:
    where = f"project_id='{g['project']}' and resource='volumes' and deleted=0"
    return [cells(g, "cinder.quota_usages", where, in_use="in_use + 7")]


@planting("project-gone", check="cross.project-gone", object="{hex}", needs=VOLUME)
def _(g: Ground) -> list[Change]:
    return _with_image(g, project_id=f"'{g.id.replace('-', '')}'")


@planting("cinder-scheduler-down", check="cinder.service-down", object="cinder-scheduler@ctl1", severity="critical")
def _(g: Ground) -> list[Change]:
    where = "`binary`='cinder-scheduler' and deleted=0"
    back = f"select 1 from cinder.services where \\`binary\\`='cinder-scheduler' and updated_at > {ago(20)}"
    return [stopped("ctl1", "cinder-scheduler"), cells(g, "cinder.services", where, healed=back, updated_at=ago(600))]


@planting("backend-frozen", check="cinder.frozen", object="{backend}", needs=VOLUME)
def _(g: Ground) -> list[Change]:
    return [cells(g, "cinder.services", "`binary`='cinder-volume' and deleted=0", frozen="1")]


@planting("type-of-no-backend", check="cinder.type-without-backend", object="{id}")
def _(g: Ground) -> list[Change]:
    return [
        inserted(
            "cinder.volume_types", f"id='{g.id}'", id=f"'{g.id}'", name="'bw-health'", is_public="1", deleted="0",
            created_at=ago(60),
        ),
        inserted(
            "cinder.volume_type_extra_specs", f"volume_type_id='{g.id}'", volume_type_id=f"'{g.id}'",
            key="'volume_backend_name'", value="'nowhere'", deleted="0", created_at=ago(60),
        ),
    ]  # fmt: skip


@planting("image-without-upload", check="glance.image-stuck", object="{id}")
def _(g: Ground) -> list[Change]:
    return [
        inserted(
            "glance.images", f"id='{g.id}'", id=f"'{g.id}'", name="'bw-health'", status="'queued'", deleted="0",
            created_at=ago(3 * 86400), updated_at=ago(3 * 86400), min_disk="0", min_ram="0", visibility="'public'",
        )
    ]  # fmt: skip


@planting("snapshot-without-data", check="cross.snapshot-data", object="{id}", needs=VOLUME)
def _(g: Ground) -> list[Change]:
    return [_snapshot(g, "available")]


@planting("snapshot-of-nobody", check="cross.snapshot-data", object="volume-{volume}@snapshot-{id}", needs=VOLUME)
def _(g: Ground) -> list[Change]:
    name = f"volumes/volume-{g['volume']}@snapshot-{g.id}"
    there = f"rbd snap ls volumes/volume-{g['volume']} | grep -q snapshot-{g.id} || exit 0"
    return [ceph(f"rbd snap create --no-progress {name}", f"{there}\nrbd snap rm --no-progress {name}")]

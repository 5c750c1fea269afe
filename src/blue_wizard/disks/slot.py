"""The steps at the slot of a disk: it is let go by the kernel, its light is switched on, somebody swaps it. Pure."""

from __future__ import annotations

from blue_wizard.disks.layouts import base as b
from blue_wizard.disks.view import View
from blue_wizard.jobs.model import Gate, Risk, Step
from blue_wizard.text import _
from blue_wizard.units import bytes_text

__all__ = ["detach", "ready_gate", "release", "swap"]

_NAUTILUS = 14


def place(view: View) -> str:
    """Where the disk is, for a person: host, slot, serial, device."""
    disk = view.identity.disk
    words = [
        view.host,
        f"SCSI {disk.hctl}" if disk and disk.hctl else "",
        view.identity.by_path,
        f"WWN {disk.wwn}" if disk and disk.wwn else "",
        _("serial {serial}").format(serial=view.identity.serial) if view.identity.serial else "",
        f"{disk.path} ({bytes_text(disk.size)}, {disk.model or '-'})" if disk else "",
    ]
    return ", ".join(w for w in words if w)


def ready_gate(view: View) -> Gate:
    """The question before the cluster is held still: somebody has to be there, so that it is not for long."""
    text = _(
        "Is somebody at the disk with a new one in hand? ({place}) Answer yes: recovery is held back from here on."
    )
    return Gate(text.format(place=place(view)), remind_s=86400)


def release(view: View, group: str, volume: str) -> tuple[Step, ...]:
    """A volume on a dead disk stays in the device mapper, and would keep its name and its disk."""
    if view.rebuild:
        return ()
    name = f"{group.replace('-', '--')}-{volume.replace('-', '--')}"
    return (
        b.change(
            view,
            "release",
            _("release volume {name} in the device mapper").format(name=name),
            _("it would keep the failed disk and its letter"),
            [
                b.host("dmsetup", "remove", "--retry", name, ok="any", timeout_s=30),
                b.host("dmsetup", "remove", "--force", name, ok="any", rest=True, timeout_s=30),
            ],
            [b.run_check("test", "-e", f"/dev/mapper/{name}", status=[1])],
            back=[b.host("vgchange", "-ay", group, ok="any", timeout_s=60)],
        ),
    )


def detach(view: View) -> tuple[Step, ...]:
    """Take the failed disk out of the kernel, so that its letter and its errors are gone before the new one comes."""
    disk = view.identity.disk
    if disk is None or view.rebuild or not disk.hctl:
        return ()
    number = disk.hctl.split(":")[0]
    return (
        _light(view),
        b.change(
            view,
            "detach",
            _("take {disk} out of the kernel of {host}").format(disk=disk.path, host=view.host),
            _("nobody holds it any more; its letter is free for the new one"),
            [b.host("sh", "-c", 'echo 1 > "$1"', "sh", "/sys/block/<old-name>/device/delete")],
            [{"is": "disk.absent", "disk": disk.key}],
            back=[b.host("sh", "-c", 'echo "- - -" > "$1"', "sh", f"/sys/class/scsi_host/host{number}/scan")],
            back_until=[{"is": "disk.present", "disk": disk.key}],
            wait_s=20,
        ),
    )


def swap(view: View) -> tuple[Step, ...]:
    """The gate, and the look at what came of it."""
    if view.rebuild:
        return ()
    disk = view.identity.disk
    known = {d.key: d.by_path or d.path for d in view.disks.disks}
    usage = view.cluster.usage.get(view.osd.id)
    size = (
        disk.size
        if disk
        else int(view.osd.metadata.get("bluestore_bdev_size", 0) or (usage.total * 1024 if usage else 0))
    )
    question = _(
        "Swap the disk now: {place}. Answer done when the new one is in (or: wipe SERIAL, if it may be overwritten)."
    )
    step = b.special(
        view,
        "swap",
        "osd.swap",
        _("see that the right disk is out, and a good one in"),
        _("serial, size, kind and content are looked at; a wrong disk is told and waited for"),
        {
            "place": view.identity.by_path,
            "gone": view.identity.gone,
            "known": known,
            "going": sorted(view.going),
            "wishes": {
                "size": size,
                "rotates": disk.rotates if disk else view.osd.metadata.get("rotational", "1") == "1",
                "sector": disk.sector if disk else 512,
            },
        },
        seconds=10,
    )
    lost = _("POINT OF NO RETURN: the failed disk is pulled here")
    gate = Gate(question.format(place=place(view)), remind_s=600, text=True)
    swapped = Step(**{**step.__dict__, "irreversible": lost, "risk": Risk.HIGH, "gate": gate})
    return (swapped, *(_dark(view),) * bool(detach(view)))


def _lights(view: View, what: str) -> list[b.Command]:
    """The ways to a slot's light: the enclosure's own (ledmon), and Ceph's (Nautilus on, by libstoragemgmt)."""
    device = "<new-disk>" if what == "off" else "/dev/<old-name>"
    word = "locate" if what == "on" else "locate_off"
    ways = [b.host("ledctl", f"{word}={device}", ok="any", timeout_s=30)]
    ids = dict(p.split("=", 1) for p in view.osd.metadata.get("device_ids", "").split(",") if "=" in p)
    mine = [i for i in ids.values() if view.identity.serial and i.endswith(view.identity.serial)]
    if mine and view.cluster.number >= _NAUTILUS:
        # The failed disk is gone when its light goes off: without force the manager would warn of it for good.
        words = ["on", mine[0], "ident"] if what == "on" else ["off", mine[0], "ident", "--force"]
        ways.append(b.ceph("device", "light", *words, ok="any", timeout_s=30))
    return ways


def _light(view: View) -> Step:
    title = _("switch on the light at its slot, where there is one")
    why = _("a help for whoever pulls it; the serial is what counts")
    return b.special(
        view, "light", "osd.light", title, why, {"commands": _lights(view, "on"), "off": _lights(view, "undo")}
    )


def _dark(view: View) -> Step:
    return b.special(
        view,
        "dark",
        "osd.dark",
        _("switch the light off again"),
        "",
        {"from": "light", "commands": _lights(view, "off")},
    )

"""OSDs on LVM, made by ceph-volume (Luminous and later).

The id and the place in CRUSH are kept by ``osd destroy``, so no flag is needed and data moves once. Commands and order are those
of Ceph's documentation (rados/operations/add-or-rm-osds, "Replacing an OSD"; ceph-volume/lvm). The slot of a DB, WAL or journal on
another device is emptied without ``--destroy`` and given to the new OSD: ``lvm batch`` would take a new one.
"""

from __future__ import annotations

from collections.abc import Sequence

from blue_wizard.disks import membership, slot
from blue_wizard.disks.layouts import base as b
from blue_wizard.disks.layouts import layout
from blue_wizard.disks.view import View
from blue_wizard.facts.blockdev import Lv, Part, mapper_names
from blue_wizard.jobs.model import Risk, Step
from blue_wizard.text import _

_ASIDE = {"db": "--block.db", "wal": "--block.wal", "journal": "--journal"}
_MAIN = frozenset({"block", "data"})


def _volumes(view: View) -> list[Lv]:
    """Its volumes: by their tags, or, on a disk that LVM can't read any more, by the uuid in their name."""
    n, uuid = str(view.osd.id), view.osd.uuid
    found = [
        lv
        for lv in view.disks.volumes
        if lv.tags.get("ceph.osd_id") == n
        or (uuid and "ceph.osd_id" not in lv.tags and lv.tags.get("ceph.osd_fsid") == uuid)
    ]
    # Volumes on another disk that is dead are named by the tags of the one that can be read.
    known = {lv.path for lv in found}
    for kind in _ASIDE:
        for path in {lv.tags.get(f"ceph.{kind}_device", "") for lv in found} - known:
            words = path.removeprefix("/dev/").split("/")
            if len(words) == 2:
                found.append(Lv(words[1], words[0], path, {"ceph.osd_id": n, "ceph.type": kind}, ()))
    return found


@layout
class CephVolume:
    """ceph-volume lvm."""

    name = "ceph-volume"

    def detect(self, view: View) -> str:
        """Its volumes carry ceph-volume's tags or names, and cephadm does not manage it."""
        found = [lv for lv in _volumes(view) if lv.tags.get("ceph.type") in _MAIN]
        if not found or view.deployed.folders:
            return ""
        return _("volume {lv} is its own").format(lv=found[0].path or found[0].name)

    def problems(self, view: View) -> Sequence[str]:
        """What it can't do."""
        found = []
        if any(lv.tags.get("ceph.encrypted") == "1" for lv in _volumes(view)):
            found.append(_("it is encrypted, which this version does not rebuild"))
        disk = view.identity.disk
        data = {d for lv in _volumes(view) if lv.tags.get("ceph.type") in _MAIN for d in lv.devices}
        aside = [lv for lv in _volumes(view) if lv.tags.get("ceph.type") in _ASIDE]
        if disk is not None and any(view.disks.disk_of(d) == disk for lv in aside for d in lv.devices if d not in data):
            found.append(
                _("its DB or journal is on another volume of the same disk, which this version does not rebuild")
            )
        return found

    def aside(self, view: View) -> Sequence[Part]:
        """The volumes of its DB, WAL or journal, as the device mapper has them: LVM can't read a dead disk."""
        wanted = {(lv.vg, lv.name) for lv in _volumes(view) if lv.tags.get("ceph.type") in _ASIDE}
        return [p for d in view.disks.disks for p in d.parts if mapper_names(p.path) in wanted]

    def steps(self, view: View) -> tuple[Step, ...]:
        """Stop, drain, destroy, clean up, swap, create with the same id."""
        n = str(view.osd.id)
        main = next(lv for lv in _volumes(view) if lv.tags.get("ceph.type") in _MAIN)
        uuid = main.tags.get("ceph.osd_fsid", view.osd.uuid)
        was_up = view.osd.up
        drained = (membership.leave(view), membership.safe(view))
        stop = self._stop(view, uuid, was_up)
        made = self._create(view, uuid)
        return (
            # One that is down must not come back meanwhile; one that serves goes on serving until it is not needed.
            *((*drained, stop) if was_up else (stop, *drained)),
            membership.keep_key(view),
            b.change(
                view,
                "destroy",
                _("destroy osd.{id}: its id and its place in CRUSH stay").format(id=n),
                _("its key is removed; nothing moves, since the CRUSH map stays as it is"),
                [
                    b.ceph(
                        "osd",
                        "destroy",
                        n,
                        "--yes-i-really-mean-it",
                        why=_("judged by us right before: the flag skips Ceph's own check"),
                    )
                ],
                [{"is": "osd.destroyed"}],
                back=[b.ceph("osd", "new", view.osd.uuid, n, "-i", "-", stdin="key")],
                back_until=[{"is": "osd.present"}],
                guard="safe-to-destroy",
                risk=Risk.HIGH,
            ),
            self._unmount(view, uuid),
            *slot.release(view, main.vg, main.name),
            *slot.detach(view),
            *slot.swap(view),
            *self._wipe(view),
            *made,
            membership.compare(view),
            membership.fetch_in(view),
            membership.refill(view),
            membership.forget_key(view),
        )

    def _stop(self, view: View, uuid: str, was_up: bool) -> Step:
        unit = f"ceph-osd@{view.osd.id}"
        link = f"ceph-volume@lvm-{view.osd.id}-{uuid}"
        return b.change(
            view,
            "stop",
            _("stop {unit} for good").format(unit=unit),
            _("a failed OSD is started again and again otherwise, also at the next boot"),
            [
                b.host("systemctl", "stop", unit, ok="any"),
                b.host(
                    "systemctl",
                    "disable",
                    link,
                    ok="any",
                    why=_("by its full name: systemctl disable takes no pattern"),
                ),
                b.host("systemctl", "reset-failed", unit, ok="any"),
            ],
            [*b.stopped(unit, link), {"is": "osd.down"}],
            back=[
                b.host("systemctl", "enable", link, ok="any"),
                *([b.host("ceph-volume", "lvm", "activate", str(view.osd.id), uuid, timeout_s=300)] if was_up else []),
            ],
            back_until=[b.enabled(link), *([{"is": "osd.up"}] if was_up else [])],
            wait_s=90,
            guard="ok-to-stop" if was_up else "",
            risk=Risk.LOW,
            seconds=5,
        )

    def _unmount(self, view: View, uuid: str) -> Step:
        folder = f"/var/lib/ceph/osd/ceph-{view.osd.id}"
        return b.change(
            view,
            "unmount",
            _("unmount {folder}").format(folder=folder),
            _("it would hold the old volume"),
            [
                b.host("umount", folder, ok="any", timeout_s=30),
                b.host("umount", "-l", folder, rest=True, why=_("only if the first one was not enough")),
            ],
            [b.run_check("grep", "-qF", f" {folder} ", "/proc/mounts", status=[1])],
        )

    def _wipe(self, view: View) -> tuple[Step, ...]:
        """Empty what is used again. The first of them is the point of no return of a rebuild."""
        steps = []
        aside = [lv for lv in _volumes(view) if lv.tags.get("ceph.type") in _ASIDE]
        lost = _("POINT OF NO RETURN: the data of osd.{id} is wiped here").format(id=view.osd.id)
        if view.rebuild:
            steps.append(
                b.change(
                    view,
                    "zap",
                    _("wipe {disk}").format(disk=view.identity.disk.path if view.identity.disk else "-"),
                    _("the OSD is made anew on the same disk"),
                    [b.host("ceph-volume", "lvm", "zap", "--destroy", "<new-disk>", timeout_s=300)],
                    [
                        b.run_check(
                            "sh", "-c", 'test -z "$(wipefs -n -p "$1" | grep -v "^#")"', "sh", "<new-disk>", status=[0]
                        )
                    ],
                    guard="safe-to-destroy",
                    risk=Risk.HIGH,
                    seconds=20,
                    lost=lost,
                )
            )
        for lv in aside:
            path = f"{lv.vg}/{lv.name}"
            steps.append(
                b.change(
                    view,
                    f"zap-{lv.tags['ceph.type']}",
                    _("empty the slot {lv}").format(lv=path),
                    _("the new OSD gets the same slot; without --destroy it is kept"),
                    [b.host("ceph-volume", "lvm", "zap", path, timeout_s=300)],
                    [b.run_check("lvs", "--noheadings", "-o", "lv_tags", path, out=[""])],
                    guard="safe-to-destroy",
                    risk=Risk.HIGH,
                    seconds=20,
                    lost=lost,
                )
            )
        return tuple(steps)

    def _create(self, view: View, uuid: str) -> tuple[Step, ...]:
        n = str(view.osd.id)
        slots: list[str] = []
        for lv in _volumes(view):
            option = _ASIDE.get(lv.tags.get("ceph.type", ""))
            if option:
                slots += [option, f"{lv.vg}/{lv.name}"]
        store = ["--filestore"] if view.store == "filestore" else ["--bluestore"]
        cls = ["--crush-device-class", view.osd.device_class] if view.osd.device_class else []
        argv = ["ceph-volume", "lvm", "create", *store, "--osd-id", n, "--data", "<new-disk>", *slots, *cls]
        zaps = [["ceph-volume", "lvm", "zap", "--destroy", "<new-disk>"]]
        zaps += [["ceph-volume", "lvm", "zap", slot] for slot in slots[1::2]]
        lost = _("the OSD is a new one from here on")
        return (
            b.change(
                view,
                "create",
                _("make osd.{id} anew on the new disk").format(id=n),
                _("with the same id, DB and class"),
                [
                    b.host("udevadm", "settle", "-t", "20", ok="any"),
                    *(b.host(*zap, ok="any", rest=True, timeout_s=300, why=b.killed()) for zap in zaps),
                    b.ceph("osd", "destroy", n, "--yes-i-really-mean-it", ok="any", rest=True, why=b.killed()),
                    b.host(*argv, timeout_s=600),
                ],
                [{"is": "osd.up", "not_uuid": uuid}],
                wait_s=120,
                risk=Risk.LOW,
                seconds=60,
                lost=lost,
            ),
        )

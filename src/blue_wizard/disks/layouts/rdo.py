"""OSDs made by ceph-disk and run by systemd (Jewel as RDO packages it): a partition, a journal, a section in ceph.conf.

Commands are those of ceph-disk (``ceph_disk/main.py``, Jewel). The journal is given as its old partition, whose type GUID makes
ceph-disk use it again; a whole SSD would get a new partition each time until it is full. ``ceph-disk deactivate`` and ``destroy``
read the disk, so they are of no use here.
"""

from __future__ import annotations

from collections.abc import Sequence

from blue_wizard.disks import membership
from blue_wizard.disks.identity import osd_of_part
from blue_wizard.disks.layouts import base as b
from blue_wizard.disks.layouts import layout, manual
from blue_wizard.disks.view import View
from blue_wizard.facts.blockdev import JOURNAL, Part
from blue_wizard.jobs.model import Json, Risk, Step
from blue_wizard.text import _

_DATA = "4fbd7e29-9d25-41b8-afd0-062c0ceff05d"
_CONF = "/etc/ceph/ceph.conf"


def _data(view: View) -> Part | None:
    """The data partition: ceph-disk gives it the OSD's uuid."""
    for disk in view.disks.disks:
        for part in disk.parts:
            if part.kind == _DATA and part.uuid.lower() == view.osd.uuid and not osd_of_part(part):
                return part
    return None


def _folder(view: View) -> str:
    return f"/var/lib/ceph/osd/ceph-{view.osd.id}"


def _journals(view: View) -> list[Part]:
    """The journal partition of the OSD: the one that its link names, else the one whose header does, else those that no other
    OSD's link or header names. None where it was beside the data on a dead disk."""
    parts = [p for d in view.disks.disks for p in d.parts if p.kind == JOURNAL and not osd_of_part(p)]
    link = view.disks.folders.get(f"{_folder(view)}/journal", "")
    if link:
        named = link.rsplit("/", 1)[-1].lower()
        return [p for p in parts if p.uuid.lower() == named or p.path == link]
    headers = view.disks.journals
    mine = [p for p in parts if headers.get(p.path) == view.osd.uuid]
    if mine or view.forgotten_beside(_data(view)):
        return mine
    taken = {t.rsplit("/", 1)[-1].lower() for f, t in view.disks.folders.items() if f.endswith("/journal")}
    others = {o.uuid for o in view.cluster.osds.values() if o.uuid}
    return [
        p for p in parts if p.uuid.lower() not in taken and p.name not in taken and headers.get(p.path) not in others
    ]


def _anothers(view: View, journals: Sequence[Part]) -> str:
    """That the header of the journal that its link names is another OSD's; "" when it is not."""
    others = {o.uuid: o.id for o in view.cluster.osds.values() if o.uuid and o.uuid != view.osd.uuid}
    for p in journals:
        owner = others.get(view.disks.journals.get(p.path, ""))
        if owner is not None:
            text = _("its journal would be {device}, whose header is that of osd.{id}")
            return text.format(device=p.path, id=owner)
    return ""


def _aside(view: View) -> Part | None:
    """The journal partition when it is on another disk."""
    found = _journals(view)
    disk = view.identity.disk
    return found[0] if len(found) == 1 and (disk is None or found[0] not in disk.parts) else None


@layout
class Rdo:
    """ceph-disk and systemd."""

    name = "rdo-ceph"

    def detect(self, view: View) -> str:
        """A partition of ceph-disk's type with the OSD's uuid, or its mount when the disk is gone."""
        part = _data(view)
        if part is not None and view.deployed.container is None:
            return _("{device} has the OSD's uuid").format(device=part.path)
        mounted = any(m.where == _folder(view) for m in view.disks.mounts)
        if view.identity.gone and mounted and view.deployed.container is None:
            return _("{folder} is mounted").format(folder=_folder(view))
        return ""

    def problems(self, view: View) -> Sequence[str]:
        """What it can't do."""
        found = []
        if view.store not in {"filestore", ""}:
            found.append(_("{store} of ceph-disk is not rebuilt by this version").format(store=view.store))
        # On a disk that is gone, or dead and beside the data, the journal went with it.
        journals = _journals(view)
        died = not journals and (view.identity.gone or view.forgotten_beside(_data(view)))
        if len(journals) != 1 and not died:
            names = ", ".join(p.path for p in journals) or "-"
            found.append(_("which partition is its journal can't be told: {found}").format(found=names))
        elif anothers := _anothers(view, journals):
            found.append(anothers)
        found += membership.id_goes_elsewhere(view)
        return found

    def aside(self, view: View) -> Sequence[Part]:
        """Its journal."""
        journal = _aside(view)
        return [journal] if journal else []

    def steps(self, view: View) -> tuple[Step, ...]:
        """The twelve steps, in the order of the manual procedure."""
        return manual.by_hand(
            view,
            stop=self._stop(view),
            clear=(*self._conf(view), self._unmount(view)),
            make=self._prepare(view),
            restore=self._conf_again(view),
        )

    def _stop(self, view: View) -> Step:
        unit = f"ceph-osd@{view.osd.id}"
        return b.change(
            view,
            "stop",
            _("stop {unit} for good").format(unit=unit),
            _("a failed OSD is started again and again otherwise, also at the next boot"),
            [
                b.host("systemctl", "disable", unit, ok="any"),
                b.host("systemctl", "stop", unit, ok="any", timeout_s=100),
                b.host("systemctl", "reset-failed", unit, ok="any"),
            ],
            [*b.stopped(unit, unit), {"is": "osd.down"}],
            back=[
                b.host("systemctl", "enable", unit, ok="any"),
                *([b.host("systemctl", "start", unit)] if view.osd.up else []),
            ],
            back_until=[b.enabled(unit), *([{"is": "osd.up"}] if view.osd.up else [])],
            wait_s=90,
            guard="ok-to-stop" if view.osd.up else "",
            seconds=5,
        )

    def _conf(self, view: View) -> tuple[Step, ...]:
        section = view.deployed.section
        if not section:
            return ()
        head = rf"\[osd\.{view.osd.id}\]"
        return (
            b.change(
                view,
                "conf",
                _("take [osd.{id}] out of {file}").format(id=view.osd.id, file=_CONF),
                _("it describes the old disk"),
                [b.host("sed", "-i", rf"/^{head}/,/^\[/{{/^{head}/d;/^\[/!d}}", _CONF)],
                [b.run_check("grep", "-q", rf"^{head}", _CONF, status=[1])],
                back=[b.host("sh", "-c", f'printf "%s" "$1" >> {_CONF}', "sh", section)],
                back_until=[b.run_check("grep", "-q", rf"^{head}", _CONF, status=[0])],
            ),
        )

    def _conf_again(self, view: View) -> tuple[Step, ...]:
        section = view.deployed.section
        if not section:
            return ()
        return (
            b.change(
                view,
                "conf-again",
                _("write [osd.{id}] into {file} again").format(id=view.osd.id, file=_CONF),
                _("its settings hold for the new disk, too"),
                [b.host("sh", "-c", f'printf "%s" "$1" >> {_CONF}', "sh", section)],
                [b.run_check("grep", "-q", rf"^\[osd\.{view.osd.id}\]", _CONF, status=[0])],
            ),
        )

    def _unmount(self, view: View) -> Step:
        folder = _folder(view)
        part = _data(view)
        tried: dict[str, Json] = {} if view.osd.up else {"ok": "any"}
        return b.change(
            view,
            "unmount",
            _("unmount {folder}").format(folder=folder),
            _("a dead disk stays mounted, seen in /proc/mounts alone"),
            [
                b.host("umount", folder, ok="any", timeout_s=30),
                b.host("umount", "-l", folder, rest=True, ok="any", why=_("only if the first one was not enough")),
            ],
            [b.run_check("grep", "-qF", f" {folder} ", "/proc/mounts", status=[1])],
            # What could not be read before can't be mounted again, and nothing is lost by that.
            back=[b.host("mount", "-o", "noatime", f"/dev/disk/by-partuuid/{part.uuid}", folder, **tried)]
            if part
            else [],
            back_until=[b.run_check("grep", "-qF", f" {folder} ", "/proc/mounts", status=[0])]
            if part and view.osd.up
            else [],
        )

    def _prepare(self, view: View) -> tuple[Step, ...]:
        journal = _aside(view)
        slot = [f"/dev/disk/by-partuuid/{journal.uuid}"] if journal else []
        wiped = _("POINT OF NO RETURN: the data of osd.{id} is wiped here").format(id=view.osd.id)
        lost = _("the OSD is a new one from here on")
        # What ceph-disk prepares, udev activates at once; both ways end in the same place.
        ready = [{"is": "osd.up", "not_uuid": view.osd.uuid}]
        return (
            b.change(
                view,
                "zap",
                _("empty the disk"),
                _("ceph-disk takes nothing that has partitions"),
                [b.host("ceph-disk", "zap", "<new-disk>", timeout_s=120), b.host("udevadm", "settle", "-t", "20", ok="any")],
                [b.run_check("sh", "-c", 'test "$(lsblk -nr -o NAME "$1" | wc -l)" = 1', "sh", "<new-disk>", status=[0])],
                risk=Risk.HIGH,
                seconds=5,
                lost=wiped if view.rebuild else "",
            ),
            b.change(
                view,
                "prepare",
                _("prepare the disk, with the old journal partition {journal}").format(journal=journal.path if journal else "-"),
                _("its type makes ceph-disk use it again: nothing leaks on the SSD"),
                [
                    b.host("udevadm", "settle", "-t", "20", ok="any"),
                    b.host("ceph-disk", "zap", "<new-disk>", ok="any", rest=True, timeout_s=120, why=b.killed()),
                    b.host(
                        "ceph-disk", "prepare", "--cluster-uuid", view.cluster.fsid, "--fs-type", "xfs", "<new-disk>", *slot,
                        timeout_s=300,
                    ),
                    b.host("udevadm", "settle", "-t", "20", ok="any"),
                ],
                [b.run_check("sh", "-c", _PREPARED, "sh", "<new-disk>", _DATA, status=[0])],
                guard="lowest-id",
                risk=Risk.LOW,
                seconds=20,
                lost=lost,
            ),
            b.change(
                view,
                "activate",
                _("activate it"),
                _("it joins with the lowest free id, which is its old one"),
                [b.host("ceph-disk", "activate", "<new-disk:1>", timeout_s=300)],
                ready,
                wait_s=120,
                risk=Risk.LOW,
                seconds=20,
                lost=lost,
            ),
        )  # fmt: skip


_PREPARED = 'lsblk -nr -o PARTTYPE "$1" | grep -qixF "$2"'

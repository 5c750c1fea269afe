"""OSDs in containers of Kolla (Ocata to Rocky): GPT names, a container for each OSD, a line in fstab.

The commands are those of Kolla's own playbooks and image (kolla-ansible ``roles/ceph/tasks/{bootstrap,start}_osds.yml``, kolla
``docker/ceph/ceph-osd/extend_start.sh``), for this OSD alone: a whole ``deploy`` would replay them on every storage host, and stop
at any other bad disk. The CRUSH bucket is the storage address of the host and not its name; the new OSD gets the lowest free id.
"""

from __future__ import annotations

from collections.abc import Sequence

from blue_wizard.disks import membership
from blue_wizard.disks.identity import osd_of_part, stray_text, strays
from blue_wizard.disks.layouts import base as b
from blue_wizard.disks.layouts import layout, manual
from blue_wizard.disks.view import View
from blue_wizard.facts.blockdev import Part
from blue_wizard.facts.osd_host import Container
from blue_wizard.jobs.model import Risk, Step
from blue_wizard.text import _

BOOTSTRAP = "KOLLA_CEPH_OSD_BOOTSTRAP"
# Of the container's environment only what Kolla's playbook gives it; the rest is the image's.
_ENV = ("KOLLA_", "OSD_", "JOURNAL_", "TCMALLOC_")


def _parts(view: View) -> dict[str, tuple[Part, str]]:
    """The partitions of the OSD by suffix ("" is data, "_J" the journal), each with the path of its disk."""
    found: dict[str, tuple[Part, str]] = {}
    for disk in view.disks.disks:
        for part in disk.parts:
            label = osd_of_part(part)
            if label and label[0] == view.osd.id:
                found[label[1]] = (part, disk.path)
    return found


def _aside(view: View, suffix: str) -> Part | None:
    """The partition of that suffix when it is on another disk than the OSD's."""
    part, path = _parts(view).get(suffix, (None, ""))
    disk = view.identity.disk
    return part if part is not None and (disk is None or path != disk.path) else None


def _mount(view: View) -> tuple[str, str]:
    """Where the OSD is mounted on its host, and its line of fstab ("" when there is none)."""
    part = _parts(view).get("", (None, ""))[0]
    binds = view.deployed.container.binds if view.deployed.container else ()
    inside = f"/var/lib/ceph/osd/ceph-{view.osd.id}"
    folder = next((x.split(":")[0] for x in binds if x.split(":")[1:2] == [inside]), "")
    if not folder and part is not None and part.fs_uuid:
        folder = f"/var/lib/ceph/osd/{part.fs_uuid}"
    lines = [
        x for x in view.disks.fstab.splitlines() if folder and x.split()[1:2] == [folder] and not x.startswith("#")
    ]
    return folder, lines[0] if lines else ""


@layout
class Kolla:
    """Kolla's containers."""

    name = "kolla-ceph"

    def detect(self, view: View) -> str:
        """Its container or its label."""
        if view.deployed.container is not None:
            return _("container {name}").format(name=view.deployed.container.name)
        part = _parts(view).get("", _parts(view).get("_B", (None, "")))[0]
        return _("{device} has the label {label}").format(device=part.path, label=part.label) if part else ""

    def problems(self, view: View) -> Sequence[str]:
        """What it can't do."""
        found = []
        container = view.deployed.container or view.deployed.model
        if container is None:
            found.append(_("no container of an OSD is left on {host} to show how it is made").format(host=view.host))
        if any(_aside(view, s) for s in ("_D", "_W")):
            found.append(_("its DB or WAL is on another disk, which this version does not rebuild for Kolla"))
        folder, _line = _mount(view)
        if not folder:
            found.append(_("nothing says where it is mounted"))
        found += membership.id_goes_elsewhere(view)
        found += [stray_text(name, p) for name, h in view.hosts.items() for p in strays(h)]
        found += self._journal_lost(view, container)
        names = view.deployed.containers.get(container.runtime, ()) if container else ()
        stale = [n for n in names if n.startswith("bootstrap_osd_")]
        if stale:
            found.append(_("container {name} of an earlier attempt is left").format(name=stale[0]))
        return found

    def _journal_lost(self, view: View, container: Container | None) -> list[str]:
        """FileStore has a journal somewhere: one that was not found would silently be made anew beside the data."""
        if view.store == "bluestore" or "_J" in _parts(view):
            return []
        told = next(
            (e.split("=", 1)[1] for e in (container.env if container else ()) if e.startswith("JOURNAL_PARTITION=")), ""
        )
        named = told.rsplit("/", 1)[-1].lower()
        there = any(named in {p.uuid.lower(), p.name} for d in view.disks.disks for p in d.parts)
        # On a disk that is gone, or dead and beside the data, the journal went with it.
        data = _parts(view).get("", (None, ""))[0]
        if not there and (view.identity.gone or view.forgotten_beside(data)):
            return []
        return [
            _("no partition has the label of its journal (its container names {device})").format(device=told or "-")
        ]

    def aside(self, view: View) -> Sequence[Part]:
        """Its journal."""
        journal = _aside(view, "_J")
        return [journal] if journal else []

    def steps(self, view: View) -> tuple[Step, ...]:
        """The twelve steps, in the order of the manual procedure."""
        return manual.by_hand(
            view,
            stop=self._stop(view),
            clear=(*self._remove(view), *self._unmount(view)),
            make=(*self._label(view), *self._deploy(view)),
        )

    def _container(self, view: View) -> Container:
        found = view.deployed.container or view.deployed.model
        assert found is not None, "problems() lets no OSD without a container through"
        return found

    def _stop(self, view: View) -> Step:
        box = self._container(view)
        name = f"ceph_osd_{view.osd.id}"
        return b.change(
            view,
            "stop",
            _("stop container {name}").format(name=name),
            _("it is started again otherwise, also at the next boot"),
            [
                *self._restarts(box, name, "no"),
                b.host(box.runtime, "stop", "-t", "60", name, ok="any", timeout_s=120),
            ],
            [
                *([b.run_check(box.runtime, "inspect", "-f", _POLICY, name, out=["no", ""])] if _holds(box) else []),
                b.run_check("sh", "-c", _RUNNING, "sh", box.runtime, name, status=[1]),
                {"is": "osd.down"},
            ],
            back=[
                *self._restarts(box, name, "unless-stopped"),
                *([b.host(box.runtime, "start", name)] if view.osd.up else []),
            ],
            back_until=[
                *(
                    [b.run_check(box.runtime, "inspect", "-f", _POLICY, name, out=["unless-stopped"])]
                    if _holds(box) and view.deployed.container
                    else []
                ),
                *([{"is": "osd.up"}] if view.osd.up else []),
            ],
            wait_s=90,
            guard="ok-to-stop" if view.osd.up else "",
            seconds=10,
        )

    def _restarts(self, box: Container, name: str, policy: str) -> list[b.Command]:
        """One that has exited by itself is not stopped for good by "stop": dockerd would try it again."""
        return [b.host(box.runtime, "update", f"--restart={policy}", name, ok="any")] if _holds(box) else []

    def _remove(self, view: View) -> tuple[Step, ...]:
        if view.deployed.container is None:
            return ()
        box = view.deployed.container
        return (
            b.change(
                view,
                "container",
                _("remove container {name}").format(name=box.name),
                _("the new OSD's has the same name"),
                [b.host(box.runtime, "rm", box.name, timeout_s=60)],
                [b.run_check(box.runtime, "inspect", box.name, status=[1, 125])],
                back=[b.host(*_create(box, view.osd.id, box.binds))],
                back_until=[b.run_check(box.runtime, "inspect", box.name, status=[0])],
            ),
        )

    def _unmount(self, view: View) -> tuple[Step, ...]:
        folder, line = _mount(view)
        part = _parts(view).get("", (None, ""))[0]
        again = (
            [b.host("mount", line.split()[0], folder)]
            if line
            else [b.host("mount", f"/dev/disk/by-partuuid/{part.uuid}", folder)]
            if part
            else []
        )
        found = [
            b.change(
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
                back=[{**c, **({} if view.osd.up else {"ok": "any"})} for c in again],
                back_until=[b.run_check("grep", "-qF", f" {folder} ", "/proc/mounts", status=[0])]
                if view.osd.up
                else [],
            )
        ]
        if line:
            found.append(
                b.change(
                    view,
                    "fstab",
                    _("remove the line of {folder} from /etc/fstab").format(folder=folder),
                    _("without nofail a dead disk's line stops the next boot"),
                    [b.host("sed", "-i", rf"\#^[^#]*[[:space:]]{folder}[[:space:]]#d", "/etc/fstab")],
                    [b.run_check("grep", "-qE", rf"^[^#]*[[:space:]]{folder}[[:space:]]", "/etc/fstab", status=[1])],
                    back=[b.host("sh", "-c", 'printf "%s\\n" "$1" >> /etc/fstab', "sh", line)],
                    back_until=[b.run_check("grep", "-qxF", line, "/etc/fstab", status=[0])],
                )
            )
        return tuple(found)

    def _label(self, view: View) -> tuple[Step, ...]:
        """Name the new disk as Kolla's deployment expects it, once nothing else in the cluster has such a name."""
        journal = _aside(view, "_J")
        blue = view.store == "bluestore"
        suffix = f"_r{view.osd.id}" if journal else ""
        label = f"{BOOTSTRAP}{'_BS' if blue else ''}{suffix}"
        commands = []
        lost = ""
        if view.rebuild:
            lost = _("POINT OF NO RETURN: the data of osd.{id} is wiped here").format(id=view.osd.id)
            commands.append(
                b.host("wipefs", "-a", "<new-disk:1>", ok="any", why=_("or the old file system would be found again"))
            )
        commands += [
            b.host("sgdisk", "--zap-all", "<new-disk>", ok="any", why=_("its content was judged at the swap")),
            b.host("parted", "<new-disk>", "-s", "--", "mklabel", "gpt", "mkpart", label, "1", "-1"),
            b.host("udevadm", "settle", "-t", "20", ok="any"),
        ]
        found = [
            b.change(
                view,
                "label",
                _("label the disk {label}").format(label=label),
                _("the name by which Kolla knows a disk to deploy on; no other storage host may have one"),
                commands,
                [b.run_check("sh", "-c", _LABEL, "sh", "<new-disk>", label, status=[0])],
                back=[] if lost else [b.host("sgdisk", "--zap-all", "<new-disk>", ok="any")],
                guard="no-labels",
                risk=Risk.HIGH,
                seconds=5,
                lost=lost,
            )
        ]
        if journal is not None:
            # By the GUID of the partition: its letter may be another disk's by then.
            ssd, number = f"<disk-of:{journal.uuid}>", journal.number
            found.append(
                b.change(
                    view,
                    "journal",
                    _("label its old journal partition {device} again").format(device=journal.path),
                    _("the same slot of the SSD is used; the journals of the others are not touched"),
                    [
                        b.host("sgdisk", f"--change-name={number}:{label}_J", ssd, ok="any"),
                        b.host(
                            "partx",
                            "-u",
                            "-n",
                            str(number),
                            ssd,
                            ok="any",
                            why=_("other journals on it are in use"),
                        ),
                        b.host("udevadm", "settle", "-t", "20", ok="any"),
                    ],
                    [b.run_check("sh", "-c", _NAMED, "sh", str(number), ssd, f"{label}_J", status=[0])],
                    back=[
                        b.host("sgdisk", f"--change-name={number}:{journal.label}", ssd, ok="any"),
                        b.host("partx", "-u", "-n", str(number), ssd, ok="any"),
                    ],
                    back_until=[b.run_check("sh", "-c", _NAMED, "sh", str(number), ssd, journal.label, status=[0])],
                    seconds=5,
                )
            )
        return tuple(found)

    def _deploy(self, view: View) -> tuple[Step, ...]:
        """Bootstrap, mount, start: what Kolla's playbook does for a labelled disk."""
        n = view.osd.id
        box = self._container(view)
        journal = _aside(view, "_J")
        blue = view.store == "bluestore"
        label = f"{BOOTSTRAP}{'_BS' if blue else ''}{f'_r{n}' if journal else ''}"
        env = {
            "KOLLA_BOOTSTRAP": "",
            "KOLLA_CONFIG_STRATEGY": "COPY_ALWAYS",
            "OSD_DEV": "<new-disk>",
            "OSD_PARTITION": "<new-disk:1>",
            "OSD_PARTITION_NUM": "1",
            "JOURNAL_DEV": f"<disk-of:{journal.uuid}>" if journal else "<new-disk>",
            "JOURNAL_PARTITION": f"/dev/disk/by-partuuid/{journal.uuid}" if journal else "<new-disk:2>",
            "JOURNAL_PARTITION_NUM": str(journal.number) if journal else "2",
            "USE_EXTERNAL_JOURNAL": str(journal is not None),
            "OSD_FILESYSTEM": "xfs",
            "OSD_INITIAL_WEIGHT": str(round(view.osd.weight or 0.0, 5)),
            "HOSTNAME": view.bucket,
            "OSD_STORETYPE": view.store or "filestore",
        }
        if blue:
            env |= {"OSD_BS_DEV": "<new-disk>", "OSD_BS_LABEL": label, "OSD_BS_PARTNUM": "1"}
        words = [x for k, v in env.items() for x in ("-e", f"{k}={v}")]
        binds = [x for v in _shared(box) for x in ("-v", v)]
        name = f"bootstrap_osd_{n}"
        data = f"KOLLA_CEPH_DATA_{'BS_' if blue else ''}{n}"
        folder = "/var/lib/ceph/osd/<fs-uuid>"
        inside = f"{folder}:/var/lib/ceph/osd/ceph-{n}"
        line = f"UUID=<fs-uuid> {folder} xfs defaults,noatime 0 0"
        lost = _("the OSD is a new one from here on")
        return (
            b.change(
                view,
                "bootstrap",
                _("make osd.{id} on the new disk, as Kolla's bootstrap does").format(id=n),
                _("weight {weight} in bucket {bucket}, as before").format(weight=env["OSD_INITIAL_WEIGHT"], bucket=view.bucket),
                [
                    b.host(box.runtime, "rm", "-f", name, ok="any", why=_("one that was killed would keep the name")),
                    *membership.half_made(view),
                    b.host(
                        box.runtime, "run", "--rm", "--name", name, "--net", "host", "--privileged", "--label", "BOOTSTRAP=",
                        *words, *binds, box.image, timeout_s=600,
                    ),
                    b.host("udevadm", "settle", "-t", "20", ok="any"),
                ],
                [b.run_check("sh", "-c", _LABEL, "sh", "<new-disk>", data, status=[0]), {"is": "osd.present"}],
                guard="lowest-id",
                risk=Risk.LOW,
                seconds=60,
                lost=lost,
            ),
            b.change(
                view,
                "mount",
                _("mount it, and write its line into /etc/fstab"),
                _("with the UUID of its file system"),
                [
                    b.host("mkdir", "-p", folder),
                    b.host("sh", "-c", 'grep -qxF "$1" /etc/fstab || printf "%s\\n" "$1" >> /etc/fstab', "sh", line),
                    b.host("mount", folder, ok=[0, 32]),
                ],
                [
                    b.run_check("grep", "-qF", f" {folder} ", "/proc/mounts", status=[0]),
                    b.run_check("grep", "-qxF", line, "/etc/fstab", status=[0]),
                    b.run_check("cat", f"{folder}/whoami", out=[str(n)]),
                ],
                lost=lost,
            ),
            b.change(
                view,
                "start",
                _("start container ceph_osd_{id}").format(id=n),
                _("made as the one before it"),
                [
                    b.host(box.runtime, "rm", "-f", f"ceph_osd_{n}", ok="any"),
                    b.host(*_create(box, n, (*_shared(box), inside), journal, run=True), timeout_s=120),
                ],
                [{"is": "osd.up", "not_uuid": view.osd.uuid}],
                wait_s=120,
                seconds=15,
                lost=lost,
            ),
        )  # fmt: skip


_POLICY = "{{.HostConfig.RestartPolicy.Name}}"
_RUNNING = 'test "$("$1" inspect -f "{{.State.Running}}" "$2" 2>/dev/null)" = true'
_LABEL = 'lsblk -nr -o PARTLABEL "$1" | grep -qxF "$2"'
_NAMED = 'sgdisk -i "$1" "$2" | grep -qF "Partition name: \'$3\'"'


def _holds(box: Container) -> bool:
    """Whether the runtime has a daemon that starts containers again by itself; podman has none."""
    return box.runtime == "docker"


def _shared(box: Container) -> tuple[str, ...]:
    """What the containers of all OSDs bind, without the one folder of each."""
    return tuple(v for v in box.binds if not v.split(":")[1:2] or not v.split(":")[1].startswith("/var/lib/ceph/osd/"))


def _create(
    box: Container, osd: int, binds: Sequence[str], journal: Part | None = None, *, run: bool = False
) -> list[str]:
    """The command that makes a container like this one, for an OSD."""
    mine = f"/dev/disk/by-partuuid/{journal.uuid if journal else '<partuuid:2>'}"
    env = []
    old = next((v.split(":")[0].rsplit("/", 1)[-1] for v in box.binds if ":/var/lib/ceph/osd/" in v), "")
    for word in box.env:
        key = word.split("=", 1)[0]
        if not key.startswith(_ENV):
            continue
        # What was there before goes back unchanged; a new one is told its own journal, by a name that does not move.
        fresh = {"OSD_ID": str(osd), "JOURNAL_PARTITION": mine} if run else {}
        # Rocky tells the UUID of the file system, too.
        kept = word.replace(old, "<fs-uuid>") if run and old else word
        env += ["-e", f"{key}={fresh[key]}" if key in fresh else kept]
    words = [box.runtime, "run", "-d"] if run else [box.runtime, "create"]
    words += [
        "--name",
        f"ceph_osd_{osd}",
        "--net",
        "host",
        "--pid",
        "host",
        "--privileged",
        "--restart",
        "unless-stopped",
    ]
    return [*words, *env, *(x for v in binds for x in ("-v", v)), box.image]

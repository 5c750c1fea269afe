"""What the layouts share: how a step is put together, and the steps that are the same for all of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blue_wizard.disks.flags import FLAGS
from blue_wizard.disks.view import View
from blue_wizard.disks.world import kept_name
from blue_wizard.jobs.model import Gate, Json, Risk, Step
from blue_wizard.text import _
from blue_wizard.units import bytes_text

__all__ = [
    "HAS_GUID",
    "Command",
    "Condition",
    "at_place",
    "by_hand",
    "ceph",
    "change",
    "compare",
    "detach",
    "enabled",
    "fetch_in",
    "flags_off",
    "flags_on",
    "forget_key",
    "half_made",
    "host",
    "id_goes_elsewhere",
    "keep_key",
    "killed",
    "leave",
    "ready_gate",
    "refill",
    "release",
    "run_check",
    "safe",
    "special",
    "stopped",
    "swap",
    "unregister",
]

Command = Mapping[str, Json]
Condition = Mapping[str, Json]

HAS_GUID = 'lsblk -nr -o PARTUUID "$1" | grep -qixF "$2"'
_JEWEL_WORDS = {"put": "put", "rm": "del"}
_WORDS = {"put": "set", "rm": "rm"}
_LUMINOUS, _NAUTILUS = 12, 14
_LATENCY_MS = 100
_MOVE_RATE = 50 << 20
"""Bytes per second that recovery is assumed to move, for estimates of time."""


def ceph(*argv: str, why: str = "", **more: Json) -> Command:
    """A command of the cluster (the words after ``ceph``)."""
    return {"on": "ceph", "argv": list(argv), "why": why, **more}


def host(*argv: str, why: str = "", **more: Json) -> Command:
    """A command on the storage host, as root."""
    return {"on": "host", "argv": list(argv), "why": why, **more}


def run_check(*argv: str, **more: Json) -> Condition:
    """A condition: a command that reads, with the exit status (``status``) or the output (``out``) that it must have."""
    return {"is": "run", "on": "host", "argv": list(argv), **more}


def common(view: View) -> dict[str, Json]:
    """The arguments that every step has."""
    disk = view.identity.disk
    key = disk.key if disk else view.identity.serial
    return {
        "cloud": view.cloud,
        "host": view.host,
        "osd": view.osd.id,
        "disk": key,
        "uuid": view.osd.uuid,
        "rebuild": view.rebuild,
    }


def change(
    view: View,
    step: str,
    title: str,
    why: str,
    commands: Sequence[Command],
    until: Sequence[Condition],
    *,
    back: Sequence[Command] = (),
    back_until: Sequence[Condition] = (),
    wait_s: float = 0,
    guard: str = "",
    risk: Risk = Risk.LOW,
    seconds: float = 2,
    lost: str = "",
    gate: Gate | None = None,
) -> Step:
    """A step that runs commands until conditions hold (see `change.Change`); `lost` is what can't be taken back."""
    args: dict[str, Json] = {
        **common(view),
        "said": title,
        "commands": [dict(c) for c in commands],
        "until": [dict(c) for c in until],
    }
    more: dict[str, Json] = {
        "back": [dict(c) for c in back],
        "back_until": [dict(c) for c in back_until],
        "wait_s": wait_s,
        "guard": guard,
        "lost": lost,
    }
    args |= {k: v for k, v in more.items() if v}
    return Step(step, "osd.change", args, title, why, risk, seconds, lost, locks=_locks(view), gate=gate)


def special(
    view: View,
    step: str,
    verb: str,
    title: str,
    why: str,
    args: Mapping[str, Json],
    *,
    seconds: float = 2,
    risk: Risk = Risk.NONE,
) -> Step:
    """A step with a verb of its own."""
    return Step(step, verb, {**common(view), **args}, title, why, risk, seconds, locks=_locks(view))


def _locks(view: View) -> tuple[str, ...]:
    return (f"osd:{view.cluster.fsid}/{view.osd.id}",)


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


def leave(view: View) -> Step:
    """Mark the OSD out: its PGs go elsewhere, and come back here alone when we fail."""
    n = view.osd.id
    return change(
        view,
        "out",
        _("mark osd.{id} out").format(id=n),
        _("its data is copied elsewhere before anything is removed"),
        [ceph("osd", "out", str(n))],
        [{"is": "osd.out"}],
        back=[ceph("osd", "in", str(n))] if view.osd.in_ else (),
        back_until=[{"is": "osd.in"}],
    )


def safe(view: View) -> Step:
    """Wait until no PG needs the OSD."""
    usage = view.cluster.usage.get(view.osd.id)
    moved = usage.used * 1024 if usage and view.osd.in_ else 0
    return special(
        view,
        "safe",
        "osd.wait.safe",
        _("wait until all PGs are active+clean and none needs osd.{id}").format(id=view.osd.id),
        _("Ceph's own rule for safe-to-destroy, computed from the PG dump"),
        {},
        seconds=10 + moved / _MOVE_RATE,
    )


def ready_gate(view: View) -> Gate:
    """The question before the cluster is held still: somebody has to be there, so that it is not for long."""
    text = _(
        "Is somebody at the disk with a new one in hand? ({place}) Answer yes: recovery is held back from here on."
    )
    return Gate(text.format(place=place(view)), remind_s=86400)


def flags_on(view: View) -> Step:
    """Hold the cluster still while the CRUSH map changes twice."""
    title = _("set {flags}").format(flags=", ".join(FLAGS))
    why = _("the OSD leaves the CRUSH map and comes back: without them its data would move twice")
    step = special(view, "flags", "osd.flags.set", title, why, {"flags": list(FLAGS)}, risk=Risk.LOW)
    return Step(**{**step.__dict__, "gate": None if view.rebuild else ready_gate(view)})


def flags_off(view: View) -> Step:
    """Take our flags off; those that others had set stay."""
    title = _("take off the flags that this job set")
    return special(
        view,
        "unflag",
        "osd.flags.restore",
        title,
        _("what others had set before stays set"),
        {"from": "flags"},
    )


def words_of(view: View) -> Mapping[str, str]:
    """What config-key calls writing and removing in this release."""
    return _WORDS if view.cluster.number >= _LUMINOUS else _JEWEL_WORDS


def keep_key(view: View) -> Step:
    """Keep the keyring, for the way back."""
    title = _("keep the keyring of osd.{id} with the monitors").format(id=view.osd.id)
    why = _("it is given back if this is undone; {name} never leaves the cluster").format(name=kept_name(view.osd.id))
    return special(view, "keep", "osd.key.keep", title, why, words_of(view))


def forget_key(view: View) -> Step:
    """The kept keyring is of no use any more."""
    title = _("forget the kept keyring of osd.{id}").format(id=view.osd.id)
    return special(
        view, "forget", "osd.key.forget", title, _("the new one has a key of its own"), {"rm": words_of(view)["rm"]}
    )


def id_goes_elsewhere(view: View) -> list[str]:
    """What stands in the way where ``ceph osd create`` gives out the id: it takes the smallest one that is free."""
    free = sorted(set(range(view.osd.id)) - set(view.cluster.osds))
    return [_("id {id} is free too, and the new OSD would get that one").format(id=free[0])] if free else []


def at_place(view: View) -> Condition:
    """The OSD stands in CRUSH as it did before."""
    return {
        "is": "osd.at",
        "weight": round(view.osd.weight or 0.0, 5),
        "location": dict(view.osd.location),
        "class": view.osd.device_class,
    }


def _crush_words(view: View) -> list[str]:
    return [f"{kind}={name}" for kind, name in sorted(view.osd.location.items())]


def _class_words(view: View) -> list[Command]:
    if not view.osd.device_class:
        return []
    name = f"osd.{view.osd.id}"
    return [
        ceph("osd", "crush", "rm-device-class", name, rest=True),
        ceph("osd", "crush", "set-device-class", view.osd.device_class, name, rest=True),
    ]


def unregister(view: View) -> tuple[Step, ...]:
    """Key, CRUSH entry, OSD: the three commands that every release knows."""
    n, name = view.osd.id, f"osd.{view.osd.id}"
    weight = str(round(view.osd.weight or 0.0, 5))
    revive = ceph("osd", "create", view.osd.uuid, str(n), why=_("the same id for the same data"))
    return (
        change(
            view,
            "key",
            _("remove the key of {osd}").format(osd=name),
            _("the old disk must never join again"),
            [ceph("auth", "del", name)],
            [{"is": "key.absent"}],
            back=[ceph("auth", "import", "-i", "-", stdin="keyring")],
            back_until=[{"is": "key.present"}],
            guard="safe-to-destroy",
        ),
        change(
            view,
            "crush",
            _("remove {osd} from the CRUSH map").format(osd=name),
            _("its place is taken again by the new one"),
            [ceph("osd", "crush", "remove", name)],
            [{"is": "crush.absent"}],
            back=[ceph("osd", "crush", "add", name, weight, *_crush_words(view)), *_class_words(view)],
            back_until=[at_place(view)],
        ),
        change(
            view,
            "remove",
            _("remove {osd} from the OSD map").format(osd=name),
            _("the id is free for the new one"),
            [ceph("osd", "rm", str(n))],
            [{"is": "osd.absent"}],
            back=[revive],
            back_until=[{"is": "osd.present"}],
        ),
    )


def enabled(unit: str) -> Condition:
    """A service is started at the next boot."""
    return run_check("systemctl", "is-enabled", unit, out=["enabled"])


def stopped(unit: str, at_boot: str) -> list[Condition]:
    """A service does not run now, and `at_boot` is not started at the next boot."""
    return [
        run_check("systemctl", "is-active", unit, out=["inactive", "failed", "unknown"]),
        {**enabled(at_boot), "not": True},
    ]


def killed() -> str:
    """Why a command is there that finds nothing to do as a rule."""
    return _("what an attempt that was killed has left")


def half_made(view: View) -> list[Command]:
    """Take out of the cluster what an attempt that was killed has put there, or the next one would get another id."""
    n, name = view.osd.id, f"osd.{view.osd.id}"
    return [
        ceph("auth", "del", name, ok="any", rest=True, why=killed()),
        ceph("osd", "crush", "remove", name, ok="any", rest=True, why=killed()),
        ceph("osd", "rm", str(n), ok="any", rest=True, why=killed()),
    ]


def release(view: View, group: str, volume: str) -> tuple[Step, ...]:
    """A volume on a dead disk stays in the device mapper, and would keep its name and its disk."""
    if view.rebuild:
        return ()
    name = f"{group.replace('-', '--')}-{volume.replace('-', '--')}"
    return (
        change(
            view,
            "release",
            _("release volume {name} in the device mapper").format(name=name),
            _("it would keep the failed disk and its letter"),
            [
                host("dmsetup", "remove", "--retry", name, ok="any", timeout_s=30),
                host("dmsetup", "remove", "--force", name, ok="any", rest=True, timeout_s=30),
            ],
            [run_check("test", "-e", f"/dev/mapper/{name}", status=[1])],
            back=[host("vgchange", "-ay", group, ok="any", timeout_s=60)],
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
        change(
            view,
            "detach",
            _("take {disk} out of the kernel of {host}").format(disk=disk.path, host=view.host),
            _("nobody holds it any more; its letter is free for the new one"),
            [host("sh", "-c", 'echo 1 > "$1"', "sh", "/sys/block/<old-name>/device/delete")],
            [{"is": "disk.absent", "disk": disk.key}],
            back=[host("sh", "-c", 'echo "- - -" > "$1"', "sh", f"/sys/class/scsi_host/host{number}/scan")],
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
    step = special(
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


def _lights(view: View, what: str) -> list[Command]:
    """The ways to a slot's light: the enclosure's own (ledmon), and Ceph's (Nautilus on, by libstoragemgmt)."""
    device = "<new-disk>" if what == "off" else "/dev/<old-name>"
    word = "locate" if what == "on" else "locate_off"
    ways = [host("ledctl", f"{word}={device}", ok="any", timeout_s=30)]
    ids = dict(p.split("=", 1) for p in view.osd.metadata.get("device_ids", "").split(",") if "=" in p)
    mine = [i for i in ids.values() if view.identity.serial and i.endswith(view.identity.serial)]
    if mine and view.cluster.number >= _NAUTILUS:
        ways.append(ceph("device", "light", "on" if what == "on" else "off", mine[0], "ident", ok="any", timeout_s=30))
    return ways


def _light(view: View) -> Step:
    title = _("switch on the light at its slot, where there is one")
    why = _("a help for whoever pulls it; the serial is what counts")
    return special(
        view, "light", "osd.light", title, why, {"commands": _lights(view, "on"), "off": _lights(view, "undo")}
    )


def _dark(view: View) -> Step:
    return special(
        view,
        "dark",
        "osd.dark",
        _("switch the light off again"),
        "",
        {"from": "light", "commands": _lights(view, "off")},
    )


def compare(view: View) -> Step:
    """Id, weight, bucket and class are what they were."""
    name = f"osd.{view.osd.id}"
    weight = str(round(view.osd.weight or 0.0, 5))
    commands = [
        ceph("osd", "crush", "set", name, weight, *_crush_words(view), why=_("only if it differs"), rest=True),
        *_class_words(view),
    ]
    return change(
        view,
        "compare",
        _("compare weight {weight}, place {place} and class {cls}, and restore them").format(
            weight=weight, place="/".join(_crush_words(view)), cls=view.osd.device_class or "-"
        ),
        _("the same after as before"),
        commands,
        [at_place(view), {"is": "osd.present"}],
    )


def fetch_in(view: View) -> Step:
    """Mark the OSD in."""
    n = view.osd.id
    return change(
        view,
        "in",
        _("mark osd.{id} in").format(id=n),
        _("its data comes back"),
        [ceph("osd", "in", str(n))],
        [{"is": "osd.in"}],
    )


def refill(view: View) -> Step:
    """Wait until the data is back."""
    usage = view.cluster.usage.get(view.osd.id)
    return special(
        view,
        "refill",
        "osd.refill",
        _("wait until osd.{id} is full again and all PGs are active+clean").format(id=view.osd.id),
        _("backfill is held back while writes take longer than {ms} ms").format(ms=_LATENCY_MS),
        {"latency_ms": _LATENCY_MS},
        seconds=10 + (usage.used * 1024 if usage else 0) / _MOVE_RATE,
    )


def by_hand(
    view: View, *, stop: Step, clear: Sequence[Step], make: Sequence[Step], restore: Sequence[Step] = ()
) -> tuple[Step, ...]:
    """The twelve steps of the manual procedure, where an OSD leaves the cluster and comes back as a new one.

    `clear` takes its traces from the host, `make` labels and deploys the new one, `restore` gives it settings of the old one.
    """
    drained = (leave(view), safe(view))
    return (
        # One that serves goes on serving until it is not needed; one that is down must not come back meanwhile.
        *((*drained, stop) if view.osd.up else (stop, *drained)),
        keep_key(view),
        flags_on(view),
        *unregister(view),
        *clear,
        *detach(view),
        *swap(view),
        *make,
        compare(view),
        *restore,
        fetch_in(view),
        flags_off(view),
        refill(view),
        forget_key(view),
    )

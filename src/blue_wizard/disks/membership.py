"""The steps in the cluster, which are the same for all layouts: an OSD leaves it, and comes back to its place. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from blue_wizard.disks import slot
from blue_wizard.disks.flags import FLAGS
from blue_wizard.disks.layouts import base as b
from blue_wizard.disks.view import View
from blue_wizard.disks.world import kept_name
from blue_wizard.jobs.model import Risk, Step
from blue_wizard.text import _

__all__ = [
    "compare",
    "fetch_in",
    "flags_off",
    "flags_on",
    "forget_key",
    "half_made",
    "id_goes_elsewhere",
    "keep_key",
    "leave",
    "refill",
    "safe",
    "unregister",
]

_JEWEL_WORDS = {"put": "put", "rm": "del"}
_WORDS = {"put": "set", "rm": "rm"}
_LUMINOUS = 12
_LATENCY_MS = 100
_MOVE_RATE = 50 << 20
"""Bytes per second that recovery is assumed to move, for estimates of time."""


def leave(view: View) -> Step:
    """Mark the OSD out: its PGs go elsewhere, and come back here alone when we fail."""
    n = view.osd.id
    return b.change(
        view,
        "out",
        _("mark osd.{id} out").format(id=n),
        _("its data is copied elsewhere before anything is removed"),
        [b.ceph("osd", "out", str(n))],
        [{"is": "osd.out"}],
        back=[b.ceph("osd", "in", str(n))] if view.osd.in_ else (),
        back_until=[{"is": "osd.in"}],
    )


def safe(view: View) -> Step:
    """Wait until no PG needs the OSD."""
    usage = view.cluster.usage.get(view.osd.id)
    moved = usage.used * 1024 if usage and view.osd.in_ else 0
    return b.special(
        view,
        "safe",
        "osd.wait.safe",
        _("wait until all PGs are active+clean and none needs osd.{id}").format(id=view.osd.id),
        _("Ceph's own rule for safe-to-destroy, computed from the PG dump"),
        {},
        seconds=10 + moved / _MOVE_RATE,
    )


def flags_on(view: View) -> Step:
    """Hold the cluster still while the CRUSH map changes twice."""
    title = _("set {flags}").format(flags=", ".join(FLAGS))
    why = _("the OSD leaves the CRUSH map and comes back: without them its data would move twice")
    step = b.special(view, "flags", "osd.flags.set", title, why, {"flags": list(FLAGS)}, risk=Risk.LOW)
    return Step(**{**step.__dict__, "gate": None if view.rebuild else slot.ready_gate(view)})


def flags_off(view: View) -> Step:
    """Take our flags off; those that others had set stay."""
    title = _("take off the flags that this job set")
    return b.special(
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
    return b.special(view, "keep", "osd.key.keep", title, why, words_of(view))


def forget_key(view: View) -> Step:
    """The kept keyring is of no use any more."""
    title = _("forget the kept keyring of osd.{id}").format(id=view.osd.id)
    return b.special(
        view, "forget", "osd.key.forget", title, _("the new one has a key of its own"), {"rm": words_of(view)["rm"]}
    )


def id_goes_elsewhere(view: View) -> list[str]:
    """What stands in the way where ``ceph osd create`` gives out the id: it takes the smallest one that is free."""
    free = sorted(set(range(view.osd.id)) - set(view.cluster.osds))
    return [_("id {id} is free too, and the new OSD would get that one").format(id=free[0])] if free else []


def at_place(view: View) -> b.Condition:
    """The OSD stands in CRUSH as it did before."""
    return {
        "is": "osd.at",
        "weight": round(view.osd.weight or 0.0, 5),
        "location": dict(view.osd.location),
        "class": view.osd.device_class,
    }


def _crush_words(view: View) -> list[str]:
    return [f"{kind}={name}" for kind, name in sorted(view.osd.location.items())]


def _class_words(view: View) -> list[b.Command]:
    if not view.osd.device_class:
        return []
    name = f"osd.{view.osd.id}"
    return [
        b.ceph("osd", "crush", "rm-device-class", name, rest=True),
        b.ceph("osd", "crush", "set-device-class", view.osd.device_class, name, rest=True),
    ]


def unregister(view: View) -> tuple[Step, ...]:
    """Key, CRUSH entry, OSD: the three commands that every release knows."""
    n, name = view.osd.id, f"osd.{view.osd.id}"
    weight = str(round(view.osd.weight or 0.0, 5))
    revive = b.ceph("osd", "create", view.osd.uuid, str(n), why=_("the same id for the same data"))
    return (
        b.change(
            view,
            "key",
            _("remove the key of {osd}").format(osd=name),
            _("the old disk must never join again"),
            [b.ceph("auth", "del", name)],
            [{"is": "key.absent"}],
            back=[b.ceph("auth", "import", "-i", "-", stdin="keyring")],
            back_until=[{"is": "key.present"}],
            guard="safe-to-destroy",
        ),
        b.change(
            view,
            "crush",
            _("remove {osd} from the CRUSH map").format(osd=name),
            _("its place is taken again by the new one"),
            [b.ceph("osd", "crush", "remove", name)],
            [{"is": "crush.absent"}],
            back=[b.ceph("osd", "crush", "add", name, weight, *_crush_words(view)), *_class_words(view)],
            back_until=[at_place(view)],
        ),
        b.change(
            view,
            "remove",
            _("remove {osd} from the OSD map").format(osd=name),
            _("the id is free for the new one"),
            [b.ceph("osd", "rm", str(n))],
            [{"is": "osd.absent"}],
            back=[revive],
            back_until=[{"is": "osd.present"}],
        ),
    )


def half_made(view: View) -> list[b.Command]:
    """Take out of the cluster what an attempt that was killed has put there, or the next one would get another id."""
    n, name = view.osd.id, f"osd.{view.osd.id}"
    return [
        b.ceph("auth", "del", name, ok="any", rest=True, why=b.killed()),
        b.ceph("osd", "crush", "remove", name, ok="any", rest=True, why=b.killed()),
        b.ceph("osd", "rm", str(n), ok="any", rest=True, why=b.killed()),
    ]


def compare(view: View) -> Step:
    """Id, weight, bucket and class are what they were."""
    name = f"osd.{view.osd.id}"
    weight = str(round(view.osd.weight or 0.0, 5))
    commands = [
        b.ceph("osd", "crush", "set", name, weight, *_crush_words(view), why=_("only if it differs"), rest=True),
        *_class_words(view),
    ]
    return b.change(
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
    return b.change(
        view,
        "in",
        _("mark osd.{id} in").format(id=n),
        _("its data comes back"),
        [b.ceph("osd", "in", str(n))],
        [{"is": "osd.in"}],
    )


def refill(view: View) -> Step:
    """Wait until the data is back."""
    usage = view.cluster.usage.get(view.osd.id)
    return b.special(
        view,
        "refill",
        "osd.refill",
        _("wait until osd.{id} is full again and all PGs are active+clean").format(id=view.osd.id),
        _("backfill is held back while writes take longer than {ms} ms").format(ms=_LATENCY_MS),
        {"latency_ms": _LATENCY_MS},
        seconds=10 + (usage.used * 1024 if usage else 0) / _MOVE_RATE,
    )

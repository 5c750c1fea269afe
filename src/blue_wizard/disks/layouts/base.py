"""How a step of a layout is put together: commands, conditions, and what every step says. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blue_wizard.disks.view import View
from blue_wizard.jobs.model import Gate, Json, Risk, Step
from blue_wizard.text import _

__all__ = [
    "HAS_GUID",
    "Command",
    "Condition",
    "ceph",
    "change",
    "common",
    "enabled",
    "host",
    "killed",
    "run_check",
    "special",
    "stopped",
]

Command = Mapping[str, Json]
Condition = Mapping[str, Json]
HAS_GUID = 'lsblk -nr -o PARTUUID "$1" | grep -qixF "$2"'


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

"""The invariant of a migration: a machine that has to be off while its disks are copied stays off."""

from __future__ import annotations

from collections.abc import Collection

from blue_wizard.jobs.actions import Args, invariant
from blue_wizard.migrate.machine import Power
from blue_wizard.migrate.sources import PowerControl, open_source
from blue_wizard.text import _

__all__ = ["SOURCE_OFF", "judge"]

SOURCE_OFF = "migrate.source.off"


@invariant(SOURCE_OFF)
def source_off(args: Args, begun: Collection[str]) -> str:
    """args: source, machine, was (its power when the plan was made)."""
    source = open_source(args["source"])
    if not isinstance(source, PowerControl):
        return ""
    return judge(args["machine"], source.power(args["machine"]), Power(args["was"]), begun)


def judge(machine: str, now: Power, was: Power, begun: Collection[str]) -> str:
    """What is wrong with the power of a machine whose steps `begun` have begun (pure).

    A machine that was on has to be off from its first copy on (from its last one, where it is copied warm), one that was off
    all the time. One that goes off before its cut-over hurts nobody here.
    """
    has_to_be_off = was is Power.OFF or any(
        step.startswith(("import.", "stage.", "export.", "final")) for step in begun
    )
    if has_to_be_off and now is Power.ON:
        return _("{machine} was started, and its disks change while they are copied").format(machine=machine)
    return ""

"""The steps that move the disks of a machine that runs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blue_wizard.jobs.model import Gate, Json, Risk, Step
from blue_wizard.migrate.wave import VmPlan, Warm, Wave
from blue_wizard.text import _

__all__ = ["CUT", "after_warm", "alone", "warm_steps", "without_risk"]

CUT = "off"
"""The id of the step that ends the service at the source."""

_ASSUMED_RATE = 100 << 20  # bytes per second, for the estimate of a copy


def warm_steps(wave: Wave, vm: VmPlan, warm: Warm, prepare: str) -> list[Step]:
    """Copy while it runs, cut over, and finish; `prepare` says what has to be changed at the source first."""
    origin: dict[str, Json] = {"source": wave.source, "machine": vm.id}
    size = sum(d.size for d in vm.disks)
    copy: dict[str, Json] = {
        "cloud": wave.cloud,
        **origin,
        "disks": [{"disk": d.id, "size": d.size, "volume": f"volume.{i}"} for i, d in enumerate(vm.disks)],
        "downtime": warm.downtime,
        "rounds": warm.rounds,
        "check": warm.check,
        "max_rate": wave.max_rate or "",
        **alone(vm),
    }
    steps = []
    if prepare:
        title = _("prepare the source: {what}").format(what=prepare)
        steps.append(Step("prepare", "source.warm.prepare", origin, title, _("put back in the end"), Risk.LOW, 5))
    title = _("copy {count} disks ({size:.1f} GiB) while {machine} runs").format(
        count=len(vm.disks), size=size / (1 << 30), machine=vm.id
    )
    why = _("all of them, then what changes, until the rest takes {seconds} s at most").format(seconds=warm.downtime)
    steps.append(Step("warm", "warm.copy", copy, title, why, Risk.NONE, max(2.0, 3 * size / _ASSUMED_RATE)))
    steps.append(
        Step(
            CUT,
            "warm.cut",
            {**copy, "copied": "warm", "timeout": vm.shutdown_timeout, "cut": vm.power_off},
            _("catch up, and shut down {machine} at the source").format(machine=vm.at_source),
            _("its disks have to stand still for the last round"),
            Risk.HIGH,
            30,
            _("the service is down from here until the new server is up"),
            gate=_gate(vm) if warm.cutover == "hold" else None,
        )
    )
    title = _("copy what is left, and compare the disks with the source")
    why = _("all of each disk") if warm.check == "whole" else _("what was moved last; all of it was compared before")
    steps.append(Step("final", "warm.finish", {**copy, "off": CUT}, title, why, Risk.LOW, float(warm.downtime)))
    return steps


def alone(vm: VmPlan) -> dict[str, Json]:
    """What steps that write into volumes are told when these belong to no server."""
    return {} if vm.server else {"alone": True}


def _gate(vm: VmPlan) -> Gate:
    question = _("Cut {name} over now? It is shut down at the source, and comes up in the cloud.")
    return Gate(question.format(name=vm.name), text=True)


def after_warm(wave: Wave, vm: VmPlan, prepare: str) -> Step:
    """The last step: nothing of ours stays at the source."""
    args: dict[str, Json] = {"source": wave.source, "machine": vm.id, **({"prepared": "prepare"} if prepare else {})}
    title = _("leave nothing of ours at the source")
    return Step("forget", "warm.forget", args, title, _("points, bitmaps, snapshots"), Risk.NONE, 2)


def without_risk(steps: Sequence[Step]) -> list[Step]:
    """Steps that touch no tenant, so that only the cut-over waits for a maintenance window."""
    return [replace(s, risk=Risk.NONE) for s in steps]

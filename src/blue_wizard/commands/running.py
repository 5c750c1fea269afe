"""What every operation does with its plan: show it, ask, submit the job, and follow it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from blue_wizard.commands.job import confirm, follow, second_person
from blue_wizard.report.out import Output, emit
from blue_wizard.text import _

if TYPE_CHECKING:
    from rich.console import RenderableType

    from blue_wizard.jobs.model import Plan

__all__ = ["DetachOption", "HoldOption", "PlanOption", "run_plan"]

PlanOption = Annotated[bool, Parameter(negative=(), help=_("Print the plan and stop."))]
HoldOption = Annotated[bool, Parameter(negative=(), help=_("Write the job down, to be started by: job approve ID."))]
DetachOption = Annotated[bool, Parameter(negative=(), help=_("Do not wait for the end."))]


def run_plan(
    made: Plan,
    again: Callable[[], Plan],
    *,
    yes: bool,
    hold: bool,
    detach: bool,
    output: Output,
    human: Callable[[dict[str, Any]], Iterable[RenderableType]],
    shown: Callable[[], Iterable[RenderableType]] | None = None,
) -> int:
    """Ask, submit, and follow a plan; the exit code.

    `again` makes the plan once more, after the question; `shown` is what a person sees before it (the plan's tables when it is
    not given), `human` what the job's view looks like at the end. Raises Refused for a plan that fits in no window of
    its own, or that has changed while a person thought.
    """
    import time

    from blue_wizard.jobs import client, windows
    from blue_wizard.jobs.drift import refuse_drift
    from blue_wizard.jobs.model import State
    from blue_wizard.report.out import errors
    from blue_wizard.report.plans import plan_tables

    windows.refuse_misfits(made, time.time())
    if not yes and not hold:
        for part in shown() if shown else plan_tables(made):
            errors().print(part, markup=False)
        confirm(_("Run this plan?"), yes=False)
        # Minutes may have passed over the question.
        refuse_drift(made, again())
    job = client.submit(made, approved=not hold)
    errors().print(_("Job {job}").format(job=job), markup=False)
    if hold:
        emit(client.show(job), output, lambda: _("Start it: blue-wizard job approve {job}").format(job=job))
        return 4
    if client.show(job)["state"] == State.PLANNED:
        return second_person(job, output=output)
    client.ensure_worker()
    if detach:
        emit({"job": job}, output, lambda: _("Watch it: blue-wizard job watch {job}").format(job=job))
        return 0
    return follow(job, output=output, human=human)

"""`blue-wizard schedule ...`: operations that recur."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from blue_wizard.commands.job import OutputOption, YesOption, confirm, follow, second_person
from blue_wizard.errors import InputError, Refused
from blue_wizard.report.out import emit
from blue_wizard.text import _

__all__ = ["app"]

app = App(
    name="schedule", help=_("Operations that recur: plan and run them at their times."), result_action="return_value"
)


@app.command(name="list", help=_("All schedules, when they are due, and what became of the last time."))
def list_(*, output: OutputOption = "table") -> int:
    """All schedules."""
    from blue_wizard.jobs.ledger import Ledger
    from blue_wizard.report.schedules import schedules_table

    ledger = Ledger()
    views = [_view(row, ledger.dues(row["name"])) for row in ledger.schedules()]
    emit(views, output, lambda: schedules_table(views))
    return 0


@app.command(help=_("Add a schedule. Whoever adds it approves what it will run; a running worker runs it."))
def add(
    name: str,
    /,
    *,
    cron: Annotated[str, Parameter(help=_('Minute, hour, day, month, day of the week: "0 3 * * mon".'))],
    operation: Annotated[str, Parameter(help=_("The operation to plan, for example migrate.wave."))] = "",
    params: Annotated[Path | None, Parameter(help=_("A YAML or JSON file with the operation's parameters."))] = None,
    like: Annotated[str, Parameter(help=_("Take operation and parameters from this job instead."))] = "",
    timezone: Annotated[str, Parameter(help=_("The time zone of the expression."))] = "UTC",
    catch_up: Annotated[
        bool, Parameter(help=_("When its time passed without a worker, run it once as soon as there is one."))
    ] = True,
    yes: YesOption = False,
    output: OutputOption = "table",
) -> int:
    """Add a schedule."""
    import time

    from blue_wizard.jobs import people, schedules, windows
    from blue_wizard.jobs.ledger import Ledger
    from blue_wizard.report.jobs import plan_tables
    from blue_wizard.report.out import errors
    from blue_wizard.report.schedules import schedules_table

    ledger = Ledger()
    schedules.check(cron, timezone)
    if bool(like) == bool(operation):
        raise InputError(_("Say either --operation or --like."), _("See: blue-wizard schedule add --help"))
    if like:
        plan = ledger.plan(like)
        operation, wanted = plan.operation, dict(plan.params)
    else:
        wanted = _read(params)
    made = schedules.plan_of({"operation": operation, "params": wanted})
    windows.refuse_misfits(made, time.time())
    if not yes:
        for part in plan_tables(made):
            errors().print(part)
        confirm(_("Run this at every {cron} ({zone})?").format(cron=cron, zone=timezone), yes=False)
    who, origin = people.who(), people.origin()
    ledger.add_schedule(
        name, wanted, cron=cron, timezone=timezone, operation=operation, catch_up=catch_up, who=who, origin=origin
    )
    view = _view(ledger.schedule(name), [])
    emit(view, output, lambda: schedules_table([view]))
    if not ledger.workers():
        errors().print(_("No worker is up: a schedule needs one that stays (blue-wizard worker)."), markup=False)
    return 0


def _read(file: Path | None) -> dict[str, Any]:
    import yaml

    if file is None:
        return {}
    try:
        data = yaml.safe_load(file.read_text())
    except OSError as e:
        raise InputError(_("{file} can't be read: {error}").format(file=file, error=e.strerror)) from e
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise InputError(_("{file} holds no parameters: {error}").format(file=file, error=e)) from e
    if not isinstance(data, dict):
        raise InputError(_("{file} holds no parameters: {error}").format(file=file, error=_("it is no mapping")))
    return data


def _view(row: dict[str, Any], dues: list[dict[str, Any]]) -> dict[str, Any]:
    """A schedule for people: with when it is due next, and what became of the last times."""
    import time

    from blue_wizard.jobs.schedules import upcoming

    keys = ("name", "cron", "timezone", "operation", "params", "catch_up", "paused", "who", "origin")
    due = None if row["paused"] else upcoming(row["cron"], row["timezone"], time.time())
    last = [{k: d[k] for k in ("due", "job", "note")} for d in dues[:10]]
    return {**{k: row[k] for k in keys}, "next": due, "last": last}


@app.command(help=_("Forget a schedule; the jobs that it made stay."))
def remove(name: str, /, *, yes: YesOption = False) -> int:
    """Forget a schedule."""
    from blue_wizard.jobs import people
    from blue_wizard.jobs.ledger import Ledger

    ledger = Ledger()
    ledger.schedule(name)
    confirm(_("Remove schedule {name}?").format(name=name), yes=yes)
    ledger.remove_schedule(name, people.who(), people.origin())
    return 0


@app.command(help=_("Let a schedule rest; what is due meanwhile is left out."))
def pause(name: str, /) -> int:
    """Let a schedule rest."""
    return _pause(name, True)


@app.command(help=_("Let a paused schedule go on."))
def resume(name: str, /) -> int:
    """Let a paused schedule go on."""
    return _pause(name, False)


def _pause(name: str, paused: bool) -> int:
    from blue_wizard.jobs import people
    from blue_wizard.jobs.ledger import Ledger

    ledger = Ledger()
    ledger.schedule(name)
    ledger.pause_schedule(name, paused, people.who(), people.origin())
    return 0


@app.command(help=_("Run a schedule now, besides its times."))
def run(
    name: str,
    /,
    *,
    detach: Annotated[bool, Parameter(negative=(), help=_("Do not wait for the end."))] = False,
    output: OutputOption = "table",
) -> int:
    """Run a schedule now."""
    import time

    from blue_wizard.jobs import client, people, schedules
    from blue_wizard.jobs.ledger import Ledger
    from blue_wizard.jobs.model import State

    ledger, now = Ledger(), time.time()
    row = ledger.schedule(name)
    job = schedules.run_due(ledger, row, now, now=now, who=people.who(), origin=people.origin())
    if not job:
        raise Refused(
            _("Schedule {name} was not run: {why}").format(name=name, why=ledger.dues(name)[0]["note"]),
            _("See: blue-wizard schedule list"),
        )
    if client.show(job)["state"] == State.PLANNED:
        return second_person(job, output=output)
    client.ensure_worker()
    if detach:
        emit({"job": job}, output, lambda: _("Watch it: blue-wizard job watch {job}").format(job=job))
        return 0
    return follow(job, output=output)

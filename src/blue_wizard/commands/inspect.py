"""`blue-wizard inspect ...`: what is about to break, anywhere in the platform?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from blue_wizard import config
from blue_wizard.commands.job import OutputOption, YesOption
from blue_wizard.commands.running import DetachOption, HoldOption, PlanOption, run_plan
from blue_wizard.errors import InputError
from blue_wizard.report.out import emit, errors
from blue_wizard.text import _

if TYPE_CHECKING:
    from blue_wizard.inspect.history import History
    from blue_wizard.inspect.model import Check

__all__ = ["app"]

app = App(
    name="inspect",
    help=_("Look for what is broken or about to break, anywhere in the platform. Changes nothing, but by fix."),
    result_action="return_value",
)

ProfileName = Literal["quick", "daily", "weekly", "before-upgrade"]
_DEADLINE_S = {"quick": 10.0, "daily": 60.0, "weekly": 300.0, "before-upgrade": 120.0}
_SETTLE_S = {"quick": 2.0, "daily": 5.0, "weekly": 10.0, "before-upgrade": 5.0}
_YEAR_D = 366


@app.default
def run(
    *,
    profile: Annotated[
        ProfileName, Parameter(help=_("How deep to look; each profile holds those before it."))
    ] = "quick",
    only: Annotated[
        list[str] | None,
        Parameter(
            negative=(), help=_("Run these checks only: ids or globs, such as 'ceph.*'. May be said several times.")
        ),
    ] = None,
    deadline: Annotated[
        float | None, Parameter(help=_("Seconds after which what has not answered is unknown (default: by profile)."))
    ] = None,
    report: Annotated[
        list[Path] | None,
        Parameter(
            negative=(),
            help=_(
                "Also write a report: FILE.html, .xlsx, .docx, .pdf, .json, .prom or .xml. May be said several times."
            ),
        ),
    ] = None,
    fail_on: Annotated[
        Literal["critical", "warning", "info", "never"],
        Parameter(help=_("Exit with 1 when a finding is as grave as this, or graver.")),
    ] = "critical",
    min_coverage: Annotated[
        float, Parameter(help=_("Exit with 1 when less than this could be looked at, in percent."))
    ] = 50.0,
    history: Annotated[bool, Parameter(help=_("Compare with earlier inspections, and remember this one."))] = True,
    output: OutputOption = "table",
) -> int:
    """Inspect the platform. Changes nothing."""
    from functools import partial

    from blue_wizard.inspect import collect, runner
    from blue_wizard.inspect.model import Severity
    from blue_wizard.inspect.result import assemble
    from blue_wizard.inspect.site import Site
    from blue_wizard.report import inspection as told
    from blue_wizard.report import inspection_files as files

    writers = [(file, files.writer(file)) for file in report or ()]
    if deadline is not None and deadline <= 0:
        raise InputError(_("--deadline {value} leaves no time.").format(value=deadline), _("Say seconds, such as 30."))
    chosen = _chosen(profile, only)
    settings = config.load()
    site = Site(settings, settings.cloud)
    cloud = site.name
    past = _history() if history else None
    collect.register()
    with errors().status(_("looking at {cloud} ({count} checks)").format(cloud=cloud, count=len(chosen))):
        done = runner.run(
            chosen,
            partial(collect.collect, site),
            deadline_s=deadline or _DEADLINE_S[profile],
            settle_s=_SETTLE_S[profile],
        )
    found = assemble(done, cloud=cloud, profile=profile, history=past)
    for file, write in writers:
        try:
            write(found, file)
        except OSError as e:
            raise InputError(_("{file} can't be written: {error}").format(file=file, error=e.strerror or e)) from e
        errors().print(_("Written: {file}").format(file=file), markup=False)
    emit(found.data(), output, lambda: told.inspection_tables(found))
    if found.coverage < min_coverage:
        # A gate that could not look is not passed.
        return 1
    worst = found.worst()
    return 1 if fail_on != "never" and worst is not None and worst.rank <= Severity(fail_on).rank else 0


def _chosen(profile: str, only: Sequence[str] | None) -> list[Check]:
    """The checks of a profile, or those that are named, whatever their profile. Raises InputError for a name that fits none."""
    from fnmatch import fnmatchcase

    from blue_wizard.inspect.model import Profile, checks

    known = checks()
    if not only:
        return [c for c in known if c.profile.rank <= Profile(profile).rank]
    for name in only:
        if not any(fnmatchcase(c.id, name) for c in known):
            raise InputError(_("There is no check {id}.").format(id=name), _("See: blue-wizard inspect list"))
    return [c for c in known if any(fnmatchcase(c.id, name) for name in only)]


def _history() -> History:
    from blue_wizard.inspect import history

    return history.History(history.path(config.load().state_dir))


@app.command(name="list", help=_("All checks, with their severity and the quickest profile that holds them."))
def list_(*, output: OutputOption = "table") -> int:
    """All checks."""
    from blue_wizard.inspect.model import checks
    from blue_wizard.report import inspection as told

    known = checks()
    emit([told.check_data(c) for c in known], output, lambda: told.checks_table(known))
    return 0


@app.command(help=_("What a check looks at, why it matters, and what to do about what it finds."))
def explain(check: str, /, *, output: OutputOption = "table") -> int:
    """Explain a check."""
    from blue_wizard.inspect.model import checks
    from blue_wizard.report import inspection as told

    found = next((c for c in checks() if c.id == check), None)
    if found is None:
        raise InputError(_("There is no check {id}.").format(id=check), _("See: blue-wizard inspect list"))
    emit(told.check_data(found), output, lambda: told.explanation(found))
    return 0


@app.command(help=_("Accept a finding until a day. It stays in reports, but counts no more."))
def waive(
    check: Annotated[str, Parameter(help=_("The check's id, or a glob."))],
    object_: Annotated[str, Parameter(name="OBJECT", help=_("The object or host, or a glob; * for all."))] = "*",
    /,
    *,
    reason: Annotated[str, Parameter(help=_("Why it is acceptable."))],
    until: Annotated[
        str, Parameter(help=_("The day on which it counts again: YYYY-MM-DD, or a number of days (30d)."))
    ],
    output: OutputOption = "table",
) -> int:
    """Accept a finding."""
    from fnmatch import fnmatchcase

    from blue_wizard.inspect.model import checks
    from blue_wizard.jobs import people
    from blue_wizard.report import inspection as told

    if not any(fnmatchcase(c.id, check) for c in checks()):
        raise InputError(_("There is no check {id}.").format(id=check), _("See: blue-wizard inspect list"))
    now = time.time()
    made = _history().waive(check, object_, reason, people.who(), now, _until(until, now))
    emit(made, output, lambda: told.waivers_table([made]))
    return 0


def _until(text: str, now: float) -> float:
    """The end of a waiver in Unix seconds. Raises InputError."""
    if text.endswith("d") and text[:-1].isdigit():
        end = datetime.fromtimestamp(now, UTC) + timedelta(days=int(text[:-1]))
    else:
        try:
            end = datetime.fromisoformat(text).astimezone(UTC)
        except ValueError as e:
            raise InputError(
                _("{value} is no day.").format(value=text), _("Say YYYY-MM-DD, or a number of days: 30d.")
            ) from e
    if end.timestamp() - now > _YEAR_D * 86400:
        raise InputError(_("A waiver may last a year at most."), _("Waive it for less, and look at it again then."))
    return end.timestamp()


@app.command(help=_("The waivers that count now."))
def waivers(*, output: OutputOption = "table") -> int:
    """The waivers that count now."""
    from blue_wizard.report import inspection as told

    found = _history().waivers(time.time())
    emit(found, output, lambda: told.waivers_table(found))
    return 0


@app.command(help=_("End a waiver before its day."))
def unwaive(waiver: Annotated[str, Parameter(help=_("The waiver's id."))], /) -> int:
    """End a waiver."""
    _history().unwaive(waiver, time.time())
    return 0


@app.command(
    name="fix",
    help=_("Put right what a check finds, by an ordinary job: orphan domains, RBD images and allocations."),
)
def fix(
    check: Annotated[str, Parameter(help=_("The check's id."))],
    object_: Annotated[str, Parameter(name="OBJECT", help=_("The object of the finding, or a glob; * for all."))] = "*",
    /,
    *,
    most: Annotated[
        int,
        Parameter(
            name="--max",
            validator=Number(gte=1),
            help=_("Refuse when more objects than this are found: then it is no debris."),
        ),
    ] = 10,
    plan: PlanOption = False,
    yes: YesOption = False,
    hold: HoldOption = False,
    detach: DetachOption = False,
    output: OutputOption = "table",
) -> int:
    """Put right what a check finds."""
    from blue_wizard.inspect.mend import plan as mend
    from blue_wizard.reach import openstack
    from blue_wizard.report.jobs import job_tables
    from blue_wizard.report.plans import plan_tables

    params = mend.Params(openstack.cloud_name(), check, object_, most)
    made = mend.look(params)
    if plan:
        emit({**made.as_json(), "digest": made.digest}, output, lambda: plan_tables(made))
        return 0
    return run_plan(made, lambda: mend.look(params), yes=yes, hold=hold, detach=detach, output=output, human=job_tables)

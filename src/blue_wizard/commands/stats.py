"""`blue-wizard stats`: what there is, who uses it, when it runs out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from blue_wizard import config
from blue_wizard.commands.doctor import progress as watched
from blue_wizard.commands.job import OutputOption
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.report.out import emit
from blue_wizard.text import _

if TYPE_CHECKING:
    from blue_wizard.stats.collect import Snapshot
    from blue_wizard.stats.history import History

__all__ = ["app"]

app = App(name="stats", help=_("What there is, who uses it, when it runs out. Changes nothing."))

DeadlineOption = Annotated[
    float, Parameter(help=_("Seconds after which the report is made of what has answered."), negative=())
]


def _history() -> History:
    from blue_wizard.stats.history import History

    return History(config.load().state_dir / "stats.db")


def _look(listings: Sequence[str], deadline: float, history: History | None) -> Snapshot:
    from blue_wizard.reach import openstack
    from blue_wizard.reach.together import Late, together
    from blue_wizard.stats import run

    name = openstack.cloud_name()
    known = config.load().clouds.get(name)
    # The login has no time-out of its own.
    (cloud,) = together([partial(openstack.connect, name)], timeout_s=deadline)
    if isinstance(cloud, Late):
        raise StepFailed(
            _("Keystone of cloud {name} did not answer in {seconds} s.").format(name=name, seconds=round(deadline)),
            _("Look at its service, or give it more time with --deadline."),
        )
    with watched() as progress:
        return run.look(
            cloud,
            known.ceph if known else None,
            listings,
            deadline_s=deadline,
            history=history,
            progress=progress,
        )


@app.default
def stats(
    *topics: str,
    report: Annotated[
        list[Path] | None,
        Parameter(
            help=_("Also write a report: FILE.html, .xlsx, .csv, .json or .prom. May be said several times."),
            negative=(),
        ),
    ] = None,
    compare: Annotated[float | None, Parameter(help=_("Also what each number was so many days ago."))] = None,
    all_: Annotated[bool, Parameter(name="--all", help=_("All lines of all tables."), negative=())] = False,
    deadline: DeadlineOption = 120.0,
    output: OutputOption = "table",
) -> int:
    """Statistics of the platform: of all topics, or of those named.

    Topics are hosts, servers, flavors, projects, network, storage, ceph, images, waste.

    What can't be read is named, and everything else is told all the same (exit code 1).
    """
    from blue_wizard.report.stats import formats
    from blue_wizard.report.stats.terminal import stats_tables
    from blue_wizard.stats import model, run

    known = model.topics()
    for topic in topics:
        if topic not in known:
            raise InputError(
                _("There are no statistics about {topic}.").format(topic=topic),
                _("Known are: {names}").format(names=", ".join(known)),
            )
    for file in report or ():
        formats.check(file)
    chosen = topics or tuple(known)
    history = _history()
    made = run.report(_look(run.needs(chosen), deadline, history), chosen, history, compare_days=compare)
    for file in report or ():
        formats.write(made, file)
    emit(formats.as_data(made), output, lambda: stats_tables(made, every=all_))
    return 1 if made.partial else 0


@app.command(help=_("When does what run out: the trend of the history, with a band."))
def forecast(
    *,
    window: Annotated[float, Parameter(help=_("Days of history that the trend is made of."))] = 90.0,
    lead: Annotated[float, Parameter(help=_("Days from an order to the day when it is in use."))] = 30.0,
    deadline: DeadlineOption = 120.0,
    output: OutputOption = "table",
) -> int:
    """When does what run out. Each run of `blue-wizard stats` adds to the history."""
    from blue_wizard.report.stats import formats
    from blue_wizard.report.stats.terminal import forecast_tables
    from blue_wizard.stats import run
    from blue_wizard.stats.forecast import FEWEST

    history = _history()
    topics = ("hosts", "network", "ceph")
    snapshot = _look(run.needs(topics), deadline, history)
    made = run.report(snapshot, topics, history)
    found = run.forecasts(made.values, snapshot, history, window_days=window, lead_days=lead)
    data = formats.as_data(made)
    data = {k: data[k] for k in ("cloud", "moment", "partial", "problems")} | {
        "forecasts": formats.forecasts_data(found)
    }
    emit(data, output, lambda: forecast_tables(found, FEWEST, made.problems))
    return 1 if made.partial else 0


@app.command(help=_("What if servers come, a host goes, the OSDs of a host go? Nothing is touched."))
def whatif(
    *,
    servers: Annotated[int, Parameter(help=_("So many servers come."))] = 0,
    flavor: Annotated[str, Parameter(help=_("Their flavor."))] = "",
    zone: Annotated[str, Parameter(help=_("Their availability zone."))] = "",
    lose_host: Annotated[tuple[str, ...], Parameter(help=_("A compute host that goes."), negative=())] = (),
    lose_storage: Annotated[
        tuple[str, ...],
        Parameter(help=_("A failure domain of Ceph that goes (a host, as CRUSH calls it)."), negative=()),
    ] = (),
    deadline: DeadlineOption = 120.0,
    output: OutputOption = "table",
) -> int:
    """What if. Exit code 1 when something finds no room, or data can't heal."""
    from blue_wizard.report.stats.terminal import whatif_tables
    from blue_wizard.stats import run
    from blue_wizard.stats import whatif as model
    from blue_wizard.stats.platform import Missing, Platform

    if not (servers or lose_host or lose_storage):
        raise InputError(
            _("Nothing was said to happen."), _("Say --servers N --flavor NAME, --lose-host or --lose-storage.")
        )
    if servers and not flavor:
        raise InputError(_("The flavor of the servers is missing."), _("Say --flavor NAME."))
    listings = run.needs(("flavors",)) if servers or lose_host else ["ceph"]
    snapshot = _look(listings, deadline, _history())
    platform = Platform(snapshot)
    try:
        outcome = (
            model.servers(platform, flavor=flavor, count=servers, lost=lose_host, zone=zone)
            if servers or lose_host
            else None
        )
        storage = model.storage(platform.ceph, lose_storage) if lose_storage else []
    except Missing as e:
        why = snapshot.problems.get(e.what, _("the configuration does not say how it is reached"))
        raise InputError(_("{what} could not be read: {why}").format(what=e.what, why=why)) from e
    found = run.problems(snapshot)
    data = {"servers": outcome, "storage": storage, "problems": found}
    emit(data, output, lambda: whatif_tables(outcome, storage, found))
    fine = (outcome is None or outcome.fits) and all(s.state == "ok" for s in storage)
    return 0 if fine else 1


@app.command(name="list", help=_("All statistics and tables, with formula and source."))
def list_command(*, output: OutputOption = "table") -> int:
    """All statistics and tables."""
    from blue_wizard.report.out import table
    from blue_wizard.stats import model

    lines = [(s.id, s.title(), s.unit.value, s.formula) for s in model.statistics()]
    lines += [(t.id, t.title(), "table", t.about) for t in model.tables()]
    data = [dict(zip(("id", "title", "unit", "formula"), line, strict=True)) for line in lines]
    emit(data, output, lambda: table(("id", _("what"), _("unit"), _("formula and source")), lines))
    return 0

"""`blue-wizard migrate ...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from blue_wizard import config
from blue_wizard.commands.job import OutputOption, YesOption, confirm
from blue_wizard.commands.running import DetachOption, HoldOption, PlanOption, run_plan
from blue_wizard.errors import InputError
from blue_wizard.report.out import emit, plain
from blue_wizard.text import _

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from blue_wizard.jobs.model import Plan
    from blue_wizard.migrate.convert import Guest
    from blue_wizard.migrate.machine import Machine
    from blue_wizard.migrate.sources import Source

__all__ = ["app"]

app = App(name="migrate", help=_("Bring virtual machines into OpenStack."), result_action="return_value")

MaxRateOption = Annotated[
    str | None,
    Parameter(
        help=_("How fast disks are copied at most: 20M (bytes per second), or 08:00-20:00=20M,20:00-08:00=200M.")
    ),
]
MatchOption = Annotated[str, Parameter(help=_("Only machines whose name matches this pattern."))]


def _source(text: str) -> tuple[str, Source]:
    """The URL behind what the user wrote, and its source."""
    from blue_wizard.migrate.sources import open_source

    named = config.load().sources.get(text)
    url = named.url if named else text
    if "://" not in url:
        # The worker has another working directory than the person who wrote the path.
        url = f"files://{Path(url.removeprefix('files:')).expanduser().absolute()}"
    return url, open_source(url)


@app.command(help=_("The machines of a source: a name of the configuration, a URL, a file or a folder."))
def discover(
    source: str,
    /,
    *,
    match: MatchOption = "*",
    look: Annotated[
        bool | None,
        Parameter(help=_("Look at the first sectors of their disks; without this option only at those of files.")),
    ] = None,
    output: OutputOption = "table",
) -> int:
    """The machines of a source."""
    from blue_wizard.report.migrate import machines_table

    url, opened = _source(source)
    machines = list(opened.discover(match))
    # Over a network, thousands of machines take minutes.
    if look or (look is None and url.startswith(("files:", "file:"))):
        machines = _looked_at(opened, url, machines)
    emit(plain(machines), output, lambda: machines_table(machines))
    return 0 if machines else 1


@app.command(help=_("Write a wave file: what would be moved, and how. Touches nothing else."))
def plan(
    source: str,
    /,
    *,
    out: Annotated[Path, Parameter(help=_("The wave file to write."))],
    match: MatchOption = "*",
    map_file: Annotated[
        Path | None, Parameter(name="--map", help=_("What stands for what: networks, flavors ..."))
    ] = None,
    keep_mac: Annotated[bool, Parameter(negative=(), help=_("The server keeps the MAC addresses."))] = False,
    keep_ip: Annotated[bool, Parameter(negative=(), help=_("The server keeps the IP addresses."))] = False,
    shutdown: Annotated[
        bool, Parameter(negative=(), help=_("Consent: machines that run are shut down at the cut-over."))
    ] = False,
    convert: Annotated[
        Literal["auto", "always", "never"], Parameter(help=_("Put virtio drivers into guests without them."))
    ] = "auto",
    keep_names: Annotated[
        Literal["auto", "always", "never"],
        Parameter(help=_("Keep what network cards are called inside a Linux that is configured for these names.")),
    ] = "auto",
    max_rate: MaxRateOption = None,
    storage: Annotated[
        Literal["rbd", "local"] | None,
        Parameter(help=_("Disks go into RBD volumes, or onto the compute hosts (without Ceph in the configuration).")),
    ] = None,
    staging: Annotated[
        Path | None,
        Parameter(help=_("A local or NFS folder that every disk goes through, in two phases.")),
    ] = None,
    warm: Annotated[
        bool, Parameter(negative=(), help=_("Machines that run are copied while they run, and shut down for the rest."))
    ] = False,
    downtime: Annotated[
        str, Parameter(help=_("With --warm: how long the rest may take at the cut-over, such as 30s or 2m."))
    ] = "30s",
    cutover: Annotated[
        Literal["hold", "auto"],
        Parameter(help=_("With --warm: wait for `migrate cutover`, or cut over as soon as the rest fits.")),
    ] = "hold",
    power_off: Annotated[
        bool, Parameter(negative=(), help=_("Consent: a machine that does not shut down in time is switched off."))
    ] = False,
    disks_at_once: Annotated[
        int,
        Parameter(
            validator=Number(gte=1, lte=16),
            help=_("How many disks of one machine that is off are copied side by side."),
        ),
    ] = 1,
    output: OutputOption = "table",
) -> int:
    """Write a wave file."""
    from blue_wizard.migrate import mapping, planning, site, source_findings, wave
    from blue_wizard.migrate.targets.common import ceph_access
    from blue_wizard.reach import openstack
    from blue_wizard.report.migrate import wave_table

    _check_rate(max_rate)
    url, opened = _source(source)
    mapped = mapping.read_map(map_file)
    machines = _looked_at(opened, url, list(opened.discover(match)))
    if not machines:
        raise InputError(_("No machine of {source} matches {match}.").format(source=source, match=match))
    name = openstack.cloud_name()
    known = config.load().clouds.get(name)
    chosen = storage or ("rbd" if known and known.ceph else "local")
    found = site.read(openstack.connect(name), ceph_access(name) if chosen == "rbd" else None)
    wishes = planning.Wishes(
        mapped=mapped,
        keep_mac=keep_mac,
        keep_ip=keep_ip,
        shutdown=shutdown,
        convert=convert,
        max_rate=max_rate,
        storage=chosen,
        staging=str(staging.expanduser().absolute()) if staging else None,
        warm=wave.Warm(downtime=_seconds(downtime), cutover=cutover) if warm else None,
        power_off=power_off,
        keep_names=keep_names,
        disks_at_once=disks_at_once,
    )
    guests = _looked_into(opened, url, [m for m in machines if planning.is_looked_into(m, wishes)])
    made, remarks = planning.make_wave(url, machines, found, wishes, lambda m: guests[m.id])
    remarks += source_findings.warm_remarks(made, opened)
    wave.write(made, out)
    data = {"wave": str(out), **made.model_dump(mode="json"), "remarks": remarks}
    emit(data, output, lambda: wave_table(made, remarks, out))
    return 0


def _looked_at(opened: Source, url: str, machines: Sequence[Machine]) -> list[Machine]:
    """The machines with what the first sectors of their disks tell."""
    from blue_wizard.migrate import guest_look, looking
    from blue_wizard.report.counting import counting

    with counting(_("first sectors of the disks"), len(machines)) as count:
        return looking.at_each(
            opened, url, machines, guest_look.look, at_once=looking.AT_ONCE, ended=lambda m: count(m.name)
        )


def _looked_into(opened: Source, url: str, machines: Sequence[Machine]) -> dict[str, Guest]:
    """What is inside each of these machines, by its id."""
    from blue_wizard.migrate import looking
    from blue_wizard.report.counting import counting

    with counting(_("drivers of the guests"), len(machines)) as count:
        found = looking.at_each(
            opened, url, machines, looking.inside, at_once=looking.INSIDE_AT_ONCE, ended=lambda m: count(m.name)
        )
    return {m.id: guest for m, guest in zip(machines, found, strict=True)}


@app.command(
    help=_("Copy a project of another cloud: networks, routers, groups, flavors, keypairs, images and free volumes.")
)
def project(
    source: str,
    /,
    *,
    out: Annotated[
        Path | None, Parameter(help=_("Write what stands for what to this file, for: migrate plan --map."))
    ] = None,
    map_file: Annotated[
        Path | None, Parameter(name="--map", help=_("What stands for what: networks, flavors ..."))
    ] = None,
    only: Annotated[
        list[Literal["networks", "routers", "groups", "flavors", "keypairs", "images", "volumes"]] | None,
        Parameter(negative=(), help=_("Only these kinds of objects; once for each.")),
    ] = None,
    plan: PlanOption = False,
    yes: YesOption = False,
    hold: HoldOption = False,
    detach: DetachOption = False,
    max_rate: MaxRateOption = None,
    output: OutputOption = "table",
) -> int:
    """Copy a project of another cloud."""
    from blue_wizard.migrate import mapping
    from blue_wizard.migrate.project import operation
    from blue_wizard.migrate.project.inventory import KINDS
    from blue_wizard.reach import openstack
    from blue_wizard.report.out import errors
    from blue_wizard.report.plans import plan_tables
    from blue_wizard.report.project import objects_table

    _check_rate(max_rate)
    mapped = mapping.read_map(map_file)
    params = operation.Params(
        _source(source)[0], openstack.cloud_name(), tuple(only or KINDS), mapped, max_rate=max_rate or ""
    )
    looked = operation.look(params)
    for remark in looked.copying.remarks:
        errors().print(f"! {remark}", markup=False)
    made = looked.plan
    if plan:
        data = {**made.as_json(), "digest": made.digest, "remarks": looked.copying.remarks}
        emit(data, output, lambda: plan_tables(made))
        return 0
    code = 0
    if looked.complete:
        data = {"job": None, "report": {"objects": []}, "known": looked.copying.known}
        emit(data, output, lambda: _("Everything is there already: {count} objects.").format(
            count=len(looked.copying.known)
        ))  # fmt: skip
    else:
        code = run_plan(
            made,
            lambda: operation.look(params).plan,
            yes=yes,
            hold=hold,
            detach=detach,
            output=output,
            human=lambda view: objects_table(view),
        )
    if out is not None and code == 0:
        again = looked if looked.complete else operation.look(params)
        operation.write_mapping(again, mapped, out)
        text = _("Written to {file}. Next: blue-wizard migrate plan {source} --map {file} --out wave.yaml")
        errors().print(text.format(file=out, source=source), markup=False)
    return code


@app.command(help=_("Run waves: create each server, stop it, import its disks, start it."))
def run(
    *waves: Annotated[Path, Parameter(help=_("Wave files."))],
    plan: PlanOption = False,
    yes: YesOption = False,
    hold: HoldOption = False,
    window: Annotated[
        str, Parameter(help=_("The maintenance window that risky steps begin in, instead of the wave's."))
    ] = "",
    detach: DetachOption = False,
    max_rate: MaxRateOption = None,
    match: MatchOption = "*",
    group: Annotated[str, Parameter(help=_("Only machines of this group of the wave."))] = "",
    retry: Annotated[
        bool,
        Parameter(negative=(), help=_("Only machines that no job has moved yet: those that failed, and new ones.")),
    ] = False,
    output: OutputOption = "table",
) -> int:
    """Run waves."""
    import time

    from blue_wizard.jobs import windows
    from blue_wizard.report.migrate import result_tables
    from blue_wizard.report.plans import plan_tables

    made = _compile(waves, window, max_rate, match=match, group=group, retry=retry)
    if plan:
        windows.refuse_misfits(made, time.time())
        emit({**made.as_json(), "digest": made.digest}, output, lambda: plan_tables(made))
        return 0
    return run_plan(
        made,
        lambda: _compile(waves, window, max_rate, match=match, group=group, retry=retry),
        yes=yes,
        hold=hold,
        detach=detach,
        output=output,
        human=lambda view: result_tables([view]),
    )


def _seconds(text: str) -> int:
    """``30s``, ``2m`` or plain seconds."""
    import re

    found = re.fullmatch(r"(\d{1,6})\s*(s|m|)", text.strip())
    seconds = int(found[1]) * (60 if found[2] == "m" else 1) if found else 0
    if not seconds:
        raise InputError(_("--downtime {text} can't be used.").format(text=text), _("Write 30s or 2m."))
    return seconds


def _check_rate(max_rate: str | None) -> None:
    from blue_wizard import rates

    try:
        rates.parse(max_rate or "unlimited")
    except ValueError as e:
        raise InputError(
            _("--max-rate {rate} can't be used: {error}").format(rate=max_rate, error=e),
            _("Write 20M, or 08:00-20:00=20M,20:00-08:00=200M."),
        ) from e


def _compile(
    waves: tuple[Path, ...],
    window: str = "",
    max_rate: str | None = None,
    *,
    match: str = "*",
    group: str = "",
    retry: bool = False,
) -> Plan:
    from blue_wizard.jobs.ledger import Ledger
    from blue_wizard.migrate import history, operation, wave
    from blue_wizard.report.counting import counting

    _check_rate(max_rate)
    if not waves:
        raise InputError(_("No wave file was named."), _("Make one: blue-wizard migrate plan SOURCE --out wave.yaml"))
    read = [wave.only(wave.read(path), match, group) for path in waves]
    if retry:
        ledger = Ledger()
        read = [history.left(w, ledger) for w in read]
    return operation.compile_waves([wave.for_run(w, window=window, max_rate=max_rate) for w in read], counting)


def _jobs_of(what: str, *, newest: bool = False) -> list[str]:
    """The jobs that a wave file or a job id stands for, newest last; `newest`: those that its machines stand in now."""
    from blue_wizard.jobs.ledger import Ledger
    from blue_wizard.migrate import history, wave

    ledger = Ledger()
    path = Path(what)
    if not path.suffix and not path.exists():
        return [ledger.job(what)["root"]]
    chosen = history.newest if newest else history.jobs_of
    found = chosen(wave.read(path), ledger)
    if not found:
        raise InputError(_("No job has run {wave} as it stands now.").format(wave=what), _("See: blue-wizard job list"))
    return found


@app.command(help=_("What became of waves or jobs; without a name, of all migrations."))
def status(*names: Annotated[str, Parameter(help=_("Wave files or job ids."))], output: OutputOption = "table") -> int:
    """What became of waves or jobs."""
    from blue_wizard.jobs import client
    from blue_wizard.jobs.ledger import Ledger
    from blue_wizard.migrate import operation

    if names:
        jobs = [j for n in names for j in _jobs_of(n, newest=True)]
    else:
        jobs = [j["id"] for j in Ledger().jobs() if j["operation"] == operation.OPERATION]
    views = [client.show(j, report=True) for j in dict.fromkeys(jobs)]
    emit(views, output, lambda: _tables(views))
    return max((client.exit_code(v) for v in views), default=0)


def _tables(views: list[dict[str, Any]]) -> Iterable[RenderableType]:
    """What became of jobs: waves in one table, the copy of each project in one of its own."""
    from blue_wizard.report.migrate import result_tables
    from blue_wizard.report.project import objects_table

    waves = [v for v in views if "vms" in v["report"]]
    if waves or not views:
        yield from result_tables(waves)
    for view in views:
        if "vms" not in view["report"]:
            yield from objects_table(view)


@app.command(help=_("Cut over what was copied while it ran: shut down, copy the rest, compare, start in the cloud."))
def cutover(
    *names: Annotated[str, Parameter(help=_("Wave files or job ids."))],
    match: Annotated[str, Parameter(help=_("Only servers whose name matches this pattern."))] = "*",
    anyway: Annotated[
        bool, Parameter(negative=(), help=_("Also where the rest takes longer than the downtime that is allowed."))
    ] = False,
    yes: YesOption = False,
    detach: DetachOption = False,
    output: OutputOption = "table",
) -> int:
    """Cut over what was copied while it ran."""
    from blue_wizard.jobs import client
    from blue_wizard.migrate.warm import ready
    from blue_wizard.report.jobs import Watcher
    from blue_wizard.report.migrate import cutover_lines, result_tables
    from blue_wizard.report.out import errors

    if not names:
        raise InputError(_("Neither a wave file nor a job was named."))
    jobs = list(dict.fromkeys(j for n in names for j in _jobs_of(n, newest=True)))
    found = [m for j in jobs for m in ready.machines(client.show(j, report=True), match)]
    if not yes:
        for line in cutover_lines(found):
            errors().print(line, markup=False)
    chosen = ready.choose(found, anyway=anyway)
    confirm(_("Cut over {names}?").format(names=", ".join(m.name for m in chosen)), yes=yes)
    for machine in chosen:
        client.answer(machine.job, "anyway" if anyway else "yes")
    if detach:
        emit({"jobs": jobs}, output, lambda: _("Watch it: blue-wizard job watch {job}").format(job=jobs[-1]))
        return 0
    for job in jobs:
        with Watcher() as watcher:
            client.wait(job, watcher)
    views = [client.show(j, report=True) for j in jobs]
    emit(views, output, lambda: result_tables(views))
    return max(client.exit_code(v) for v in views)


@app.command(help=_("Write what became of waves or jobs into one file: a workbook, a page, or data."))
def report(
    *names: Annotated[str, Parameter(help=_("Wave files or job ids."))],
    out: Annotated[Path, Parameter(help=_("The file to write: NAME.xlsx, NAME.html or NAME.json."))],
) -> int:
    """Write what became of waves or jobs."""
    from blue_wizard.jobs import client
    from blue_wizard.report.migrate_files import writer
    from blue_wizard.report.out import errors

    if not names:
        raise InputError(_("Neither a wave file nor a job was named."))
    write = writer(out)
    views = [client.show(j, report=True) for j in dict.fromkeys(j for n in names for j in _jobs_of(n, newest=True))]
    write(views, out)
    errors().print(_("Written to {file}.").format(file=out), markup=False)
    return max((client.exit_code(v) for v in views), default=0)


@app.command(help=_("Undo waves or jobs: the target is gone, the source is as it was."))
def rollback(
    *names: Annotated[str, Parameter(help=_("Wave files or job ids."))],
    yes: YesOption = False,
    output: OutputOption = "table",
) -> int:
    """Undo waves or jobs."""
    from blue_wizard.jobs import client
    from blue_wizard.report.jobs import Watcher

    if not names:
        raise InputError(_("Neither a wave file nor a job was named."))
    # What an older job made for itself and others goes last.
    jobs = [j for n in reversed(names) for j in reversed(_jobs_of(n)) if client.can_be_undone(j)]
    if jobs:
        confirm(_("Undo {jobs}?").format(jobs=", ".join(jobs)), yes=yes)
    for job in jobs:
        client.rollback(job)
        with Watcher() as watcher:
            client.wait(job, watcher)
    views = [client.show(j, report=True) for j in jobs]
    emit(views, output, lambda: _tables(views) if views else _("There is nothing to undo."))
    codes = [client.exit_code(v) for v in views]
    return 6 if 6 in codes else 0

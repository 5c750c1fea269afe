"""`blue-wizard osd ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from blue_wizard.commands.job import OutputOption, YesOption
from blue_wizard.commands.running import DetachOption, HoldOption, PlanOption, run_plan
from blue_wizard.errors import InputError
from blue_wizard.report.out import Output, emit
from blue_wizard.text import _

if TYPE_CHECKING:
    from blue_wizard.jobs.model import Plan

__all__ = ["app", "short_form"]

app = App(
    name="osd", help=_("Find failed disks of Ceph, replace and rebuild their OSDs."), result_action="return_value"
)


@app.command(name="list", help=_("OSDs that failed or are failing, their disks, and how each disk was identified."))
def list_(
    *,
    all_: Annotated[bool, Parameter(name="--all", negative=(), help=_("Those that are well, too."))] = False,
    output: OutputOption = "table",
) -> int:
    """OSDs that failed or are failing."""
    from blue_wizard.disks import survey
    from blue_wizard.reach import openstack
    from blue_wizard.report.disks import osds_table, row_data

    cluster = survey.read_cluster(openstack.cloud_name())
    hosts = survey.look_at(cluster)
    found = survey.rows(cluster, hosts, survey.health_of(cluster, hosts))
    bad = [r for r in found if r.reasons]
    data = [row_data(r) for r in (found if all_ else bad)]
    emit(data, output, lambda: osds_table(data) if data else _("All {count} OSDs are well.").format(count=len(found)))
    return 1 if bad else 0


TypeOption = Annotated[
    str | None,
    Parameter(
        name=["--type", "-t"],
        help=_("Confirm how it is deployed: kolla-ceph, rdo-ceph, ceph-volume or cephadm. It is found out by itself."),
    ),
]
DrainOption = Annotated[bool, Parameter(negative=(), help=_("Consent: an OSD that still serves is emptied first."))]


@app.command(help=_("Replace the disks of OSDs: drain, remove, swap (it asks), make them anew with the same id."))
def replace(
    *ids: Annotated[int, Parameter(help=_("Numbers of OSDs."))],
    device: Annotated[
        str | None,
        Parameter(help=_("Instead of numbers: the serial of a disk that holds journals or DBs, with all its OSDs.")),
    ] = None,
    type_: TypeOption = None,
    drain: DrainOption = False,
    plan: PlanOption = False,
    yes: YesOption = False,
    hold: HoldOption = False,
    detach: DetachOption = False,
    output: OutputOption = "table",
) -> int:
    """Replace the disks of OSDs, or a disk that holds journals or DBs of several."""
    return _run(ids, False, type_, drain, plan=plan, yes=yes, hold=hold, detach=detach, output=output, device=device)


@app.command(help=_("Make OSDs anew on their own disks, which are wiped: a broken file system, changed settings."))
def rebuild(
    *ids: Annotated[int, Parameter(help=_("Numbers of OSDs."))],
    type_: TypeOption = None,
    drain: DrainOption = False,
    plan: PlanOption = False,
    yes: YesOption = False,
    hold: HoldOption = False,
    detach: DetachOption = False,
    output: OutputOption = "table",
) -> int:
    """Make OSDs anew on their own disks."""
    return _run(ids, True, type_, drain, plan=plan, yes=yes, hold=hold, detach=detach, output=output)


def short_form(type_: str) -> int:
    """``blue-wizard -t TYPE``: find the failed OSDs, and replace them after a question."""
    from blue_wizard.disks import operation
    from blue_wizard.reach import openstack

    found = operation.failed(openstack.cloud_name())
    if not found:
        emit({"osds": []}, "table", lambda: _("No OSD is down."))
        return 0
    return _run(tuple(found), False, type_, False, plan=False, yes=False, hold=False, detach=False, output="table")


def _run(
    ids: tuple[int, ...],
    rebuilt: bool,
    type_: str | None,
    drain: bool,
    *,
    plan: bool,
    yes: bool,
    hold: bool,
    detach: bool,
    output: Output,
    device: str | None = None,
) -> int:
    from blue_wizard.disks import operation
    from blue_wizard.reach import openstack
    from blue_wizard.report.disks import osd_plan_tables, osd_result_tables

    if bool(ids) == bool(device):
        text = _("Name OSDs or a device, not both.") if ids else _("No OSD was named.")
        raise InputError(text, _("See: blue-wizard osd list"))
    cloud = openstack.cloud_name()

    def again() -> Plan:
        if device:
            return operation.make_shared(cloud, device, type_=type_, drain=drain)
        return operation.make(cloud, ids, rebuild=rebuilt, type_=type_, drain=drain)

    made = again()
    if plan:
        emit({**made.as_json(), "digest": made.digest}, output, lambda: osd_plan_tables(made))
        return 0
    return run_plan(
        made,
        again,
        yes=yes,
        hold=hold,
        detach=detach,
        output=output,
        human=osd_result_tables,
        shown=lambda: osd_plan_tables(made),
    )

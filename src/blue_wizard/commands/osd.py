"""`blue-wizard osd ...`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from blue_wizard.commands.job import OutputOption
from blue_wizard.report.out import emit
from blue_wizard.text import _

__all__ = ["app"]

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
    found = survey.rows(cluster, survey.look_at(cluster))
    bad = [r for r in found if r.reasons]
    data = [row_data(r) for r in (found if all_ else bad)]
    emit(data, output, lambda: osds_table(data) if data else _("All {count} OSDs are well.").format(count=len(found)))
    return 1 if bad else 0

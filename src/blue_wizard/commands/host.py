"""`blue-wizard host ...`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from blue_wizard.commands.job import OutputOption, YesOption
from blue_wizard.commands.running import DetachOption, HoldOption, PlanOption, run_plan
from blue_wizard.report.out import emit
from blue_wizard.text import _

__all__ = ["app"]

app = App(name="host", help=_("Empty a compute host, work on it, give it back."), result_action="return_value")

WindowOption = Annotated[str, Parameter(help=_("The maintenance window that risky steps begin in."))]
SilenceOption = Annotated[
    float,
    Parameter(
        name="--max-silence",
        validator=Number(gt=0),
        help=_("A migration is aborted when its server does not answer for so many seconds."),
    ),
]
KubernetesOption = Annotated[
    bool,
    Parameter(
        negative=(), help=_("A node of Kubernetes runs on the host: cordon and drain it, too, and give it back.")
    ),
]
ParallelOption = Annotated[
    int, Parameter(validator=Number(gte=1), help=_("How many servers are on their way at once."))
]


@app.command(
    help=_("The compute hosts and their state; of one host its servers, and what keeps it from being emptied.")
)
def status(host: str = "", /, *, output: OutputOption = "table") -> int:
    """The compute hosts and their state."""
    from blue_wizard.maintain import enter
    from blue_wizard.maintain import status as found
    from blue_wizard.reach import openstack
    from blue_wizard.report.host import hosts_table, survey_tables

    cloud = openstack.cloud_name()
    if not host:
        rows = found.hosts(cloud)
        emit(rows, output, lambda: hosts_table(rows))
        return 0
    survey, _plan = enter.look(enter.Params(cloud, host, "reboot"))
    (row,) = [r for r in found.hosts(cloud) if r["host"] == host]
    data = {**row, **enter.as_data(survey)}
    emit(data, output, lambda: [*hosts_table([{**row}]), *survey_tables(data)])
    return 0


@app.command(
    name="enter",
    help=_("Take a host out of service: close it, move its servers away, prove that it is empty, keep its OSDs in."),
)
def enter_command(
    host: str,
    /,
    *,
    reason: Annotated[Literal["cpu-bug", "hardware", "upgrade", "reboot"], Parameter(help=_("What is done to it."))],
    stop: Annotated[
        tuple[str, ...], Parameter(negative=(), help=_("A server whose owner consents that it is shut down."))
    ] = (),
    leave: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help=_("A server whose owner consents that it goes down with the host.")),
    ] = (),
    force_stuck: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(),
            help=_("A server whose owner consents that a migration that does not converge is forced to an end."),
        ),
    ] = (),
    leave_stopped: Annotated[bool, Parameter(negative=(), help=_("Servers that are off stay on the host."))] = False,
    move_locked: Annotated[bool, Parameter(negative=(), help=_("Move locked servers, too."))] = False,
    keep_disabled: Annotated[
        bool,
        Parameter(negative=(), help=_("Go on though somebody else has disabled the host; their reason is kept.")),
    ] = False,
    allow_network_loss: Annotated[
        bool, Parameter(negative=(), help=_("Go on though networks or routers have their only agent here."))
    ] = False,
    evacuate: Annotated[
        bool,
        Parameter(
            negative=(), help=_("The host is dead: build its servers anew elsewhere, once a person says it is off.")
        ),
    ] = False,
    kubernetes: KubernetesOption = False,
    parallel: ParallelOption = 1,
    max_silence: SilenceOption = 30.0,
    max_unavailable: Annotated[
        int, Parameter(validator=Number(gte=1), help=_("How many hosts of a zone may be in maintenance at once."))
    ] = 1,
    plan: PlanOption = False,
    yes: YesOption = False,
    hold: HoldOption = False,
    window: WindowOption = "",
    detach: DetachOption = False,
    output: OutputOption = "table",
) -> int:
    """Take a host out of service."""
    from blue_wizard.maintain import enter
    from blue_wizard.maintain.survey import refuse
    from blue_wizard.reach import openstack
    from blue_wizard.report.host import result_tables, survey_tables
    from blue_wizard.report.plans import plan_tables

    params = enter.Params(
        openstack.cloud_name(), host, reason, stop, leave, leave_stopped, move_locked, keep_disabled,
        allow_network_loss, parallel, max_silence, max_unavailable, window, (), force_stuck, evacuate,
        kubernetes,
    )  # fmt: skip
    found, made = enter.look(params)
    data = enter.as_data(found)
    if plan:
        whole = {**data, "plan": made.as_json(), "digest": made.digest}
        emit(whole, output, lambda: [*survey_tables(data), *(plan_tables(made) if found.ready else ())])
        return 0 if found.ready else 3
    refuse(found.findings)
    return run_plan(
        made,
        lambda: enter.plan_of(params.as_json()),
        yes=yes,
        hold=hold,
        detach=detach,
        output=output,
        human=result_tables,
        shown=lambda: [*survey_tables(data), *plan_tables(made)],
    )


@app.command(
    name="leave",
    help=_("Give a host back: wait until it is ready, open it, bring its servers back."),
)
def leave_command(
    host: str,
    /,
    *,
    rebooted: Annotated[
        bool, Parameter(negative=(), help=_("Wait until it was rebooted: it is in another boot."))
    ] = False,
    kernel: Annotated[str, Parameter(help=_("How the release of its kernel has to begin."))] = "",
    wait: Annotated[
        float, Parameter(validator=Number(gt=0), help=_("For how many seconds it is waited for at each point."))
    ] = 1800.0,
    canary: Annotated[
        str, Parameter(help=_("The id of a server that is moved there and back before others come."))
    ] = "",
    bring_back: Annotated[bool, Parameter(help=_("Bring the servers back that were moved away."))] = True,
    parallel: ParallelOption = 1,
    max_silence: SilenceOption = 30.0,
    plan: PlanOption = False,
    yes: YesOption = False,
    hold: HoldOption = False,
    detach: DetachOption = False,
    output: OutputOption = "table",
) -> int:
    """Give a host back."""
    from blue_wizard.maintain import leave
    from blue_wizard.reach import openstack
    from blue_wizard.report.host import result_tables
    from blue_wizard.report.plans import plan_tables

    params = leave.Params(
        openstack.cloud_name(), host, "", rebooted, kernel, wait, bring_back, canary, parallel, max_silence
    )
    made = leave.look(params)
    if plan:
        emit({**made.as_json(), "digest": made.digest}, output, lambda: plan_tables(made))
        return 0
    return run_plan(
        made,
        lambda: leave.plan_of(made.params),
        yes=yes,
        hold=hold,
        detach=detach,
        output=output,
        human=result_tables,
    )


@app.command(
    name="campaign",
    help=_("Work on many hosts: the first one alone, then the others, a few at once; none begins after a failure."),
)
def campaign_command(
    *hosts: Annotated[str, Parameter(help=_("The hosts, in their order."))],
    reason: Annotated[Literal["cpu-bug", "hardware", "upgrade", "reboot"], Parameter(help=_("What is done to it."))],
    run: Annotated[
        str,
        Parameter(
            help=_("A command that runs on each host once it is empty. Without it, and without --reboot, it asks.")
        ),
    ] = "",
    reboot: Annotated[bool, Parameter(negative=(), help=_("Reboot each host once it is empty."))] = False,
    kernel: Annotated[str, Parameter(help=_("How the release of its kernel has to begin."))] = "",
    work_timeout: Annotated[
        float, Parameter(validator=Number(gt=0), help=_("For how many seconds a command or a reboot is waited for."))
    ] = 3600.0,
    bring_back: Annotated[bool, Parameter(help=_("Bring the servers back that were moved away."))] = False,
    leave_stopped: Annotated[bool, Parameter(negative=(), help=_("Servers that are off stay on the host."))] = False,
    kubernetes: KubernetesOption = False,
    parallel: ParallelOption = 1,
    max_silence: SilenceOption = 30.0,
    max_unavailable: Annotated[
        int, Parameter(validator=Number(gte=1), help=_("How many hosts of a zone may be in maintenance at once."))
    ] = 1,
    plan: PlanOption = False,
    yes: YesOption = False,
    hold: HoldOption = False,
    window: WindowOption = "",
    detach: DetachOption = False,
    output: OutputOption = "table",
) -> int:
    """Work on many hosts."""
    import shlex

    from blue_wizard.maintain import campaign
    from blue_wizard.reach import openstack
    from blue_wizard.report.host import campaign_tables, forecast_text
    from blue_wizard.report.plans import plan_tables

    params = campaign.Params(
        openstack.cloud_name(), hosts, reason, tuple(shlex.split(run)), reboot, kernel, work_timeout, bring_back,
        leave_stopped, max_unavailable, parallel, max_silence, window, kubernetes,
    )  # fmt: skip
    made, forecast = campaign.look(params)
    if plan:
        whole = {**made.as_json(), "digest": made.digest, "forecast_s": round(forecast.total)}
        emit(whole, output, lambda: [*plan_tables(made, total=max_unavailable), forecast_text(forecast.total)])
        return 0
    return run_plan(
        made,
        lambda: campaign.plan_of(params.as_json()),
        yes=yes,
        hold=hold,
        detach=detach,
        output=output,
        human=campaign_tables,
    )

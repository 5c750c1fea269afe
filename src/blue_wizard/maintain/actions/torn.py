"""Servers of which Nova, its records and libvirt tell different stories, and migrations that nobody brings to an end.

Nothing is done to them but to say what is known: a guest that is started twice destroys its disk.
"""

from __future__ import annotations

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.facts.servers import Server
from blue_wizard.jobs.actions import Args, Context
from blue_wizard.jobs.polling import poll
from blue_wizard.maintain import site
from blue_wizard.reach import computes
from blue_wizard.reach.openstack import Cloud, client_command
from blue_wizard.text import _

__all__ = ["only_where_nova_says", "stuck_hint", "torn"]

_CLEAN_S = 60.0


def only_where_nova_says(ctx: Context, cloud: Cloud, args: Args, now: Server) -> None:
    """Raise StepFailed when the guest is not on the host that Nova names, or is on the source as well."""
    away = now.host != args["source"]

    def agree() -> bool | None:
        there = now.id in computes.domains(cloud.name, now.host)
        twice = away and now.id in computes.domains(cloud.name, args["source"])
        return True if there and not twice else None

    try:
        # What a migration leaves behind is cleaned up a moment after its end.
        poll(agree, "", timeout_s=_CLEAN_S, check_stop=ctx.check_stop)
    except StepFailed:
        raise torn(cloud, args, now) from None


def torn(cloud: Cloud, args: Args, server: Server) -> StepFailed:
    """Nova's own records contradict each other about a server: nothing is done to it, and it is said where its guest is."""
    where = {args["source"], args["dest"] or server.host, server.host} - {""}
    guests = ", ".join(f"{host}: {_guest_on(cloud, server.id, host)}" for host in sorted(where))
    return StepFailed(
        _(
            "Nova has server {name} on {host}, which is not where its migrations have brought it (guest on {guests})."
        ).format(name=args["name"], host=server.host or "?", guests=guests),
        _("Stop nothing and start nothing there. Correct its host in Nova's database, then undo the job once more."),
    )


def _guest_on(cloud: Cloud, server: str, host: str) -> str:
    try:
        if server in computes.running(cloud.name, host):
            return _("runs")
        return _("does not run") if server in computes.domains(cloud.name, host) else _("none")
    except BlueWizardError:
        return _("not known")


def stuck_hint(ctx: Context, cloud: Cloud, args: Args) -> str:
    """What to do about a migration that nobody ends: its nova-compute is dead, or its messages are lost."""
    down = [s.host for s in site.services(cloud) if s.host in {args["source"], args["dest"]} and not s.up]
    again = _("Then undo the job once more: blue-wizard job rollback {job}").format(job=ctx.job_id)
    if down:
        text = _("nova-compute is down on {hosts}, and only it can end the migration. Start it.")
        return f"{text.format(hosts=', '.join(sorted(down)))} {again}"
    command = client_command(cloud.name, "server", "set", "--state", "active", args["server"])
    text = _("Where its guest runs on {host} alone (virsh list), Nova forgets the migration by: {command}")
    return f"{text.format(host=args['source'], command=command)} {again}"

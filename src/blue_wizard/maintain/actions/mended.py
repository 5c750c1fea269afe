"""A server that Nova calls broken though its guest has gone over to the other host and runs there.

Once a guest has left its source, Nova rolls nothing back: whatever fails after that (a time-out of Neutron, of the queue, of
the database on a busy cloud) leaves the record `error`, the server in ERROR, and what it held on the source in Placement,
while its owner notices nothing (nova/compute/manager.py, `_do_live_migration`, `_post_live_migration_update_host` and
`post_live_migration_at_destination`). The record fails first and the server's state follows, each by a write of its own: between
the two, which may be seconds on a busy cloud, the server looks well.
"""

from __future__ import annotations

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.facts.servers import Migration, Server
from blue_wizard.jobs.actions import Args, Context
from blue_wizard.jobs.polling import poll
from blue_wizard.maintain import moving
from blue_wizard.reach.openstack import Cloud
from blue_wizard.text import _

__all__ = ["mend", "told"]

_AGREE_S = 60.0
_STATE_S = 60.0
_TOLD_S = 20.0
"""How long Nova may take from a record that has failed to the state of its server; longer than its database waits for a lock."""


def told(ctx: Context, cloud: Cloud, args: Args, server: Server, record: Migration | None) -> Server | None:
    """The server once Nova has said of it what it says of `record`; None when it is gone.

    Where the migration has failed and the server is on its destination, ERROR is still to come. Whoever looks before that
    finds it well and has it broken a moment later.
    """
    if record is None or not record.failed or server.host != record.dest or ctx.noted("told") == record.id:
        return server
    now: list[Server | None] = [server]

    def said() -> bool | None:
        now[0] = moving.server_now(cloud, args["server"])
        return True if now[0] is None or now[0].vm_state == "error" or now[0].host != server.host else None

    try:
        poll(said, "", timeout_s=_TOLD_S, check_stop=ctx.check_stop)
    except StepFailed:
        # Whoever was to say it may have died: it is well for as long as it is called well.
        ctx.event("wait", "migration failed and server stayed active", server=server.id, migration=record.id)
    ctx.note("told", record.id)
    return now[0]


def mend(ctx: Context, cloud: Cloud, args: Args, server: Server, record: Migration | None) -> None:
    """Let Nova call a server active that is proved to run well where it is, and give back what it held on its source.

    The proof: its guest runs in libvirt on the host that Nova names and is unknown to libvirt on `args["source"]`, and each of
    its ports is bound there and active. Raises StepFailed, with what speaks against it, when it is not proved; then nothing
    was changed.
    """
    found: list[str] = []

    def well() -> bool | None:
        try:
            found[:] = moving.doubts(cloud, server, args["source"])
        except BlueWizardError as e:
            found[:] = [e.message]
        return None if found else True

    try:
        poll(well, "", timeout_s=_AGREE_S, check_stop=ctx.check_stop)
    except StepFailed:
        if not found:
            raise
        raise _harmed(args, server, found) from None
    if server.vm_state == "error":
        _call_active(ctx, cloud, args, server)
    if record is not None and record.failed and record.uuid:
        _give_back(ctx, cloud, record)


def _call_active(ctx: Context, cloud: Cloud, args: Args, server: Server) -> None:
    ctx.event("effect", "reset state of server that runs", server=server.id, host=server.host)
    cloud.post("compute", f"/servers/{server.id}/action", {"os-resetState": {"state": "active"}})

    def active() -> bool | None:
        now = moving.server_now(cloud, server.id)
        return True if now is None or now.vm_state == "active" else None

    poll(active, _("server {name} to be {state}").format(name=args["name"], state="active"), timeout_s=_STATE_S)


def _harmed(args: Args, server: Server, found: list[str]) -> StepFailed:
    return StepFailed(
        _("Server {name} is in ERROR on {host}, and it is not sure that it runs: {found}").format(
            name=args["name"], host=server.host or "?", found="; ".join(found)
        ),
        _("Look at its guest on {host} before anything is done to it: virsh list --all").format(
            host=server.host or "?"
        ),
    )


def _give_back(ctx: Context, cloud: Cloud, record: Migration) -> None:
    held = cloud.get("placement", f"/allocations/{record.uuid}")["allocations"]
    if held:
        ctx.event("effect", "delete allocation of migration", migration=record.id, providers=sorted(held))
        cloud.delete("placement", f"/allocations/{record.uuid}")

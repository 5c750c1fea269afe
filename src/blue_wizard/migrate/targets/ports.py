"""Ports: made first, so that addresses are reserved, and attached last, so that they are not on the wire too early."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.targets.common import by_openstack, cloud_of, mark, poll, server_of
from blue_wizard.text import _

__all__ = ["AttachPort", "CreatePort"]


def _outcome(port: dict[str, Any]) -> Outcome:
    addresses = [f["ip_address"] for f in port["fixed_ips"]]
    return {"port_id": port["id"], "mac": port["mac_address"], "network_id": port["network_id"], "addresses": addresses}


@action("neutron.port.create")
class CreatePort(Action):
    """args: cloud, name, network_id, mac?, subnet_id?, fixed_ip?, allowed_ips?, security_groups (ids)."""

    def _find(self, ctx: Context, args: Args) -> list[dict[str, Any]]:
        query = f"/ports?network_id={args['network_id']}&description={quote(mark(ctx))}"
        return cloud_of(args).list("network", query, "ports")

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The port that carries our mark."""
        found = self._find(ctx, args)
        return _outcome(found[0]) if found else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Make it."""
        body: dict[str, Any] = {
            "name": args["name"],
            "network_id": args["network_id"],
            "description": mark(ctx),
            "security_groups": args["security_groups"],
        }
        if args.get("mac"):
            body["mac_address"] = args["mac"]
        if args.get("fixed_ip"):
            body["fixed_ips"] = [{"subnet_id": args["subnet_id"], "ip_address": args["fixed_ip"]}]
        if args.get("allowed_ips"):
            body["allowed_address_pairs"] = [{"ip_address": ip} for ip in args["allowed_ips"]]
        ctx.event("effect", "create port", name=args["name"], network=args["network_id"])
        return _outcome(cloud_of(args).post("network", "/ports", {"port": body})["port"])

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """It has the addresses that were asked for."""
        wanted = {args.get("mac") or outcome["mac"], *([args["fixed_ip"]] if args.get("fixed_ip") else [])}
        if not wanted <= {outcome["mac"], *outcome["addresses"]}:
            raise StepFailed(_("Port {id} did not get the addresses asked for.").format(id=outcome["port_id"]))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Delete every port that carries our mark."""
        for port in self._find(ctx, args):
            ctx.event("effect", "delete port", port=port["id"])
            cloud_of(args).delete("network", f"/ports/{port['id']}")

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Delete it."""
        return by_openstack(args, "port", "delete", outcome["port_id"]) if outcome else ""


@action("nova.port.attach")
class AttachPort(Action):
    """args: cloud, port (the id of the step that made it). The server is stopped, so nothing goes over the wire yet."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The port hangs on the server already."""
        port = ctx.outcome(args["port"])["port_id"]
        server = ctx.outcome("server")["server_id"]
        attached = cloud_of(args).get("compute", f"/servers/{server}/os-interface")["interfaceAttachments"]
        return {"port_id": port} if port in {a["port_id"] for a in attached} else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Attach it, and wait until Nova has done it."""
        server = server_of(ctx, args)
        if server["status"] != "SHUTOFF":
            raise StepFailed(
                _("Server {id} is {state} and not stopped.").format(id=server["id"], state=server["status"])
            )
        port = ctx.outcome(args["port"])["port_id"]
        ctx.event("effect", "attach port", server=server["id"], port=port)
        path = f"/servers/{server['id']}/os-interface"
        cloud_of(args).post("compute", path, {"interfaceAttachment": {"port_id": port}})
        return poll(lambda: self.probe(ctx, args), _("port {id} to be attached").format(id=port), timeout_s=60)

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Nothing of its own: the server is deleted, and then the port."""

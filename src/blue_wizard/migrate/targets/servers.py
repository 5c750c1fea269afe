"""The target server: created with blank disks and no network, stopped, and in the end started."""

from __future__ import annotations

from typing import Any

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.metadata import KEY
from blue_wizard.migrate.targets.common import (
    by_openstack,
    cloud_of,
    fault_of,
    find_server,
    mark,
    poll,
    server_of,
)
from blue_wizard.migrate.targets.groups import group_id
from blue_wizard.text import _

__all__ = ["CreateServer", "StartServer", "StopServer"]

_TIMEOUT_S = 300


@action("nova.server.create")
class CreateServer(Action):
    """args: cloud, name, flavor_id | flavor_name, disks, availability_zone?, image?, keypair?, metadata?, server_group?.

    `server_group` is {name, policy}.

    With `image` (the id of the step that made it) the disks [{bus, boot, gib}] are local ones that Nova makes; without, they
    are the volumes of [{step, bus, boot}].
    """

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The server with our mark, once it is built."""
        found = find_server(cloud_of(args), args["name"], mark(ctx))
        return {"server_id": found["id"]} if found and found["status"] in {"ACTIVE", "SHUTOFF"} else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Make it, or wait for the one that a killed attempt asked for."""
        cloud = cloud_of(args)
        found = find_server(cloud, args["name"], mark(ctx))
        if found is None:
            flavor = args.get("flavor_id") or _flavor(ctx, args)
            body: dict[str, Any] = {
                "name": args["name"],
                "flavorRef": flavor,
                "networks": "none",
                "metadata": {**args.get("metadata", {}), KEY: mark(ctx)},
                **(_from_image(ctx, args) if args.get("image") else _from_volumes(ctx, args)),
            }
            if args.get("keypair"):
                body["key_name"] = args["keypair"]
            if args.get("availability_zone"):
                body["availability_zone"] = args["availability_zone"]
            ctx.event("effect", "create server", name=args["name"])
            hints = {"os:scheduler_hints": {"group": group_id(args)}} if args.get("server_group") else {}
            server_id = cloud.post("compute", "/servers", {"server": body, **hints})["server"]["id"]
        else:
            server_id = found["id"]
        return poll(
            lambda: self._built(args, server_id),
            _("server {name} to be built").format(name=args["name"]),
            timeout_s=_TIMEOUT_S,
            check_stop=ctx.check_stop,
        )

    def _built(self, args: Args, server_id: str) -> Outcome | None:
        server = cloud_of(args).get("compute", f"/servers/{server_id}")["server"]
        if server["status"] == "ERROR":
            raise StepFailed(
                _("Nova could not build server {name}: {fault}").format(name=args["name"], fault=fault_of(server))
            )
        return {"server_id": server_id} if server["status"] in {"ACTIVE", "SHUTOFF"} else None

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Delete it, and wait until it is gone (it holds the ports and volumes)."""
        cloud = cloud_of(args)
        while (found := find_server(cloud, args["name"], mark(ctx))) is not None:
            path = f"/servers/{found['id']}"
            ctx.event("effect", "delete server", server=found["id"])
            cloud.delete("compute", path)
            poll(
                lambda p=path: None if cloud.get("compute", p, missing_ok=True) else True,  # type: ignore[misc]
                _("server {name} to be deleted").format(name=args["name"]),
                timeout_s=_TIMEOUT_S,
            )

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Delete it."""
        return by_openstack(args, "server", "delete", outcome["server_id"] if outcome else args["name"])


def _flavor(ctx: Context, args: Args) -> str:
    """The id of the flavor that was made for this size. Raises StepFailed when it is gone."""
    if "flavor_step" in args:
        # A plan of a version that made the flavor in each machine's own steps.
        return str(ctx.outcome(args["flavor_step"])["flavor_id"])
    flavors = cloud_of(args).list("compute", "/flavors", "flavors")
    found = next((f["id"] for f in flavors if f["name"] == args["flavor_name"]), None)
    if found is None:
        raise StepFailed(
            _("Flavor {name} is gone.").format(name=args["flavor_name"]), _("Who deleted it? Run the wave again.")
        )
    return str(found)


def _from_volumes(ctx: Context, args: Args) -> dict[str, Any]:
    # The boot disk comes first whatever its place among the disks of the source.
    others = iter(range(1, len(args["disks"])))
    devices = [
        {
            "uuid": ctx.outcome(disk["step"])["volume_id"],
            "source_type": "volume",
            "destination_type": "volume",
            "boot_index": 0 if disk["boot"] else next(others),
            "disk_bus": disk["bus"],
            "delete_on_termination": False,
        }
        for disk in args["disks"]
    ]
    return {"block_device_mapping_v2": sorted(devices, key=lambda d: int(d["boot_index"]))}


def _from_image(ctx: Context, args: Args) -> dict[str, Any]:
    image = ctx.outcome(args["image"])["image_id"]
    local = {"destination_type": "local", "delete_on_termination": True}
    devices: list[dict[str, Any]] = [{"uuid": image, "source_type": "image", "boot_index": 0, **local}]
    # Nova makes a file system on each; ext4's tools are on every host, those of its default may not be.
    devices += [
        {
            "source_type": "blank",
            "boot_index": -1,
            "volume_size": disk["gib"],
            "disk_bus": disk["bus"],
            "guest_format": "ext4",
            **local,
        }
        for disk in args["disks"]
        if not disk["boot"]
    ]
    return {"imageRef": image, "block_device_mapping_v2": devices}


class _Switch(Action):
    """Brings the server into a state; args: cloud."""

    call: str
    state: str

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The server is in that state, and nothing is under way."""
        server = server_of(ctx, args)
        settled = server["status"] == self.state and not server["OS-EXT-STS:task_state"]
        return {"server_id": server["id"]} if settled else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Ask for it, unless it is under way already, and wait."""
        server = server_of(ctx, args)
        if not server["OS-EXT-STS:task_state"]:
            ctx.event("effect", self.call, server=server["id"])
            cloud_of(args).post("compute", f"/servers/{server['id']}/action", {self.call: None})
        return poll(
            lambda: self._there(ctx, args),
            _("server {id} to be {state}").format(id=server["id"], state=self.state),
            timeout_s=_TIMEOUT_S,
            check_stop=ctx.check_stop,
        )

    def _there(self, ctx: Context, args: Args) -> Outcome | None:
        server = server_of(ctx, args)
        if server["status"] == "ERROR":
            raise StepFailed(_("Server {id} went into ERROR: {fault}").format(id=server["id"], fault=fault_of(server)))
        return self.probe(ctx, args)


@action("nova.server.stop")
class StopServer(_Switch):
    """Stops the blank server: from here on only we write to its disks."""

    call = "os-stop"
    state = "SHUTOFF"


@action("nova.server.start")
class StartServer(_Switch):
    """Starts the server with its new disks. Undo stops it, so that it does not answer beside its source."""

    call = "os-start"
    state = "ACTIVE"

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Stop it, if it is still there, before the source comes back."""
        server_id = ctx.outcome("server")["server_id"]
        if cloud_of(args).get("compute", f"/servers/{server_id}", missing_ok=True) is None:
            return
        stopper = StopServer()
        if stopper.probe(ctx, args) is None:
            stopper.do(ctx, args)

"""The actions that make copies of a project's networks, routers, groups, flavors and keypairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Json, Outcome
from blue_wizard.migrate.project.inventory import origin_tag
from blue_wizard.migrate.project.names import kind_text
from blue_wizard.migrate.targets.common import by_openstack, cloud_of, mark
from blue_wizard.reach.openstack import ApiError
from blue_wizard.text import _

__all__ = ["AddInterface", "AddRules", "CopyFlavor", "CopyKeypair", "CreateCopy", "SetRoutes", "resolved"]

_PLACES = {
    "network": ("networks", "network"),
    "subnet": ("subnets", "subnet"),
    "router": ("routers", "router"),
    "group": ("security-groups", "security_group"),
}
_RULE = (
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
)


def resolved(ctx: Context, value: Json) -> Json:
    """The value with ids in the places of the steps that have made the objects."""
    if isinstance(value, Mapping):
        if set(value) == {"outcome_of"}:
            return ctx.outcome(value["outcome_of"])["id"]
        return {k: resolved(ctx, v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [resolved(ctx, v) for v in value]
    return value


def _named(e: ApiError, what: str, hint: str = "") -> StepFailed:
    """The error of an API with the object that it was about."""
    return StepFailed(f"{what}: {e.message}", hint or e.hint)


@action("neutron.copy.create")
class CreateCopy(Action):
    """args: cloud, kind (network, subnet, router or group), origin (the id at the source), name, body.

    Until it is complete its description is our mark, by which it is found after a crash. Then it gets the description of its
    original, and a tag that names that: by the tag a later copy finds it.
    """

    def _all(self, args: Args, query: str) -> list[dict[str, Any]]:
        plural, _single = _PLACES[args["kind"]]
        cloud = cloud_of(args)
        # An administrator is told of everybody's.
        path = f"/{plural}?project_id={cloud.project_id}&{query}"
        return cloud.list("network", path, plural.replace("-", "_"))

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The object with the tag, once it has its own description."""
        found = [o for o in self._all(args, f"tags={origin_tag(args['origin'])}") if o["description"] != mark(ctx)]
        return {"id": found[0]["id"], "ours": found[0]["id"] == ctx.noted("made")} if found else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Make it, or finish what a killed attempt has made."""
        plural, single = _PLACES[args["kind"]]
        cloud = cloud_of(args)
        what = f"{kind_text(args['kind'])} {args['name']}"
        begun = self._all(args, f"description={quote(mark(ctx))}")
        try:
            if not begun:
                body = {**resolved(ctx, args["body"]), "description": mark(ctx)}
                ctx.event("effect", f"create {args['kind']}", name=args["name"])
                begun = [cloud.post("network", f"/{plural}", {single: body})[single]]
            made = begun[0]["id"]
            ctx.note("made", made)
            cloud.put("network", f"/{plural}/{made}/tags/{origin_tag(args['origin'])}", None)
            cloud.put("network", f"/{plural}/{made}", {single: {"description": args["body"].get("description") or ""}})
        except ApiError as e:
            raise _named(e, what) from e
        return {"id": made, "ours": True}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """It is there, with its tag."""
        if not any(o["id"] == outcome["id"] for o in self._all(args, f"tags={origin_tag(args['origin'])}")):
            raise StepFailed(
                _("{kind} {name} ({id}) is not there with its tag.").format(
                    kind=kind_text(args["kind"]), name=args["name"], id=outcome["id"]
                )
            )

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Delete it if it is ours."""
        plural, _single = _PLACES[args["kind"]]
        ids = {o["id"] for o in self._all(args, f"description={quote(mark(ctx))}")}
        ids |= {ctx.noted("made")} if ctx.noted("made") else set()
        for id_ in sorted(ids):
            ctx.event("effect", f"delete {args['kind']}", name=args["name"], id=id_)
            try:
                cloud_of(args).delete("network", f"/{plural}/{id_}")
            except ApiError as e:
                raise _named(e, f"{kind_text(args['kind'])} {args['name']}") from e

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Delete it."""
        words = {"group": ("security", "group")}.get(args["kind"], (args["kind"],))
        return by_openstack(args, *words, "delete", ctx.noted("made")) if ctx.noted("made") else ""


@action("neutron.copy.rules")
class AddRules(Action):
    """args: cloud, group, name, rules, exact (the group is new: rules that its original has not go)."""

    def _now(self, ctx: Context, args: Args) -> list[dict[str, Any]]:
        path = f"/security-group-rules?security_group_id={resolved(ctx, args['group'])}"
        return cloud_of(args).list("network", path, "security_group_rules")

    def _differ(self, ctx: Context, args: Args) -> tuple[list[dict[str, Any]], list[str]]:
        """The rules that are missing, and the ids of those that are too many."""
        now = self._now(ctx, args)
        wanted = resolved(ctx, args["rules"])
        have = [{n: r.get(n) for n in _RULE} for r in now]
        missing = [r for r in wanted if r not in have]
        many = [r["id"] for r, h in zip(now, have, strict=True) if args["exact"] and h not in wanted]
        return missing, many

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """Nothing is missing, and nothing too many."""
        missing, many = self._differ(ctx, args)
        return None if missing or many else {"rules": len(args["rules"])}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Make what is missing, delete what is too many."""
        cloud = cloud_of(args)
        if ctx.noted("had") is None:
            ctx.note("had", [r["id"] for r in self._now(ctx, args)])
        missing, many = self._differ(ctx, args)
        group = resolved(ctx, args["group"])
        ctx.event("effect", "set rules", group=args["name"], missing=len(missing), many=len(many))
        try:
            for rule in missing:
                cloud.post(
                    "network", "/security-group-rules", {"security_group_rule": {**rule, "security_group_id": group}}
                )
            for id_ in many:
                cloud.delete("network", f"/security-group-rules/{id_}")
        except ApiError as e:
            raise _named(e, f"{kind_text('group')} {args['name']}") from e
        return {"rules": len(args["rules"])}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """Neutron has them as they are at the source."""
        missing, _many = self._differ(ctx, args)
        if missing:
            raise StepFailed(
                _("Security group {name} lacks {count} of its rules.").format(name=args["name"], count=len(missing))
            )

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Delete those that came; the group of a new one goes with all of them."""
        had = ctx.noted("had")
        if args["exact"] or had is None:
            return
        wanted = resolved(ctx, args["rules"])
        for rule in self._now(ctx, args):
            if rule["id"] not in had and {n: rule.get(n) for n in _RULE} in wanted:
                ctx.event("effect", "delete rule", group=args["name"], id=rule["id"])
                cloud_of(args).delete("network", f"/security-group-rules/{rule['id']}")


@action("neutron.copy.interface")
class AddInterface(Action):
    """args: cloud, router, name, subnet, network, address (None: the gateway's)."""

    def _ports(self, ctx: Context, args: Args) -> list[dict[str, Any]]:
        found = cloud_of(args).list("network", f"/ports?device_id={resolved(ctx, args['router'])}", "ports")
        subnet = resolved(ctx, args["subnet"])
        return [p for p in found if any(f["subnet_id"] == subnet for f in p["fixed_ips"])]

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The router has a card in the subnet."""
        found = self._ports(ctx, args)
        return {"port_id": found[0]["id"]} if found else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Put it there."""
        cloud = cloud_of(args)
        router, subnet = resolved(ctx, args["router"]), resolved(ctx, args["subnet"])
        ctx.note("adding", True)
        ctx.event("effect", "add interface", router=args["name"], subnet=subnet)
        try:
            body = {"subnet_id": subnet}
            if args["address"]:
                body = {"port_id": self._port(ctx, args)}
            cloud.put("network", f"/routers/{router}/add_router_interface", body)
        except ApiError as e:
            raise _named(e, f"{kind_text('router')} {args['name']}") from e
        found = self.probe(ctx, args)
        if found is None:
            raise StepFailed(_("Router {name} has no card in its subnet {id}.").format(name=args["name"], id=subnet))
        return found

    def _port(self, ctx: Context, args: Args) -> str:
        cloud = cloud_of(args)
        network = resolved(ctx, args["network"])
        found = cloud.list("network", f"/ports?network_id={network}&description={quote(mark(ctx))}", "ports")
        if found:
            return str(found[0]["id"])
        fixed = [{"subnet_id": resolved(ctx, args["subnet"]), "ip_address": args["address"]}]
        body = {"network_id": network, "fixed_ips": fixed, "description": mark(ctx)}
        return str(cloud.post("network", "/ports", {"port": body})["port"]["id"])

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Take it out if it was us."""
        if not ctx.noted("adding"):
            return
        cloud = cloud_of(args)
        try:
            for port in self._ports(ctx, args):
                ctx.event("effect", "remove interface", router=args["name"], port=port["id"])
                path = f"/routers/{resolved(ctx, args['router'])}/remove_router_interface"
                cloud.put("network", path, {"port_id": port["id"]})
            for port in cloud.list("network", f"/ports?description={quote(mark(ctx))}", "ports"):
                cloud.delete("network", f"/ports/{port['id']}")
        except ApiError as e:
            raise _named(e, f"{kind_text('router')} {args['name']}") from e


@action("neutron.copy.routes")
class SetRoutes(Action):
    """args: cloud, router, name, routes. The router has none yet."""

    def _put(self, ctx: Context, args: Args, routes: Json) -> None:
        try:
            path = f"/routers/{resolved(ctx, args['router'])}"
            cloud_of(args).put("network", path, {"router": {"routes": routes}})
        except ApiError as e:
            raise _named(e, f"{kind_text('router')} {args['name']}") from e

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Set them."""
        ctx.note("setting", True)
        ctx.event("effect", "set routes", router=args["name"])
        self._put(ctx, args, args["routes"])
        return {"routes": len(args["routes"])}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Take them away: a card that a route leads through can't go."""
        if ctx.noted("setting"):
            ctx.event("effect", "remove routes", router=args["name"])
            self._put(ctx, args, [])


@action("nova.copy.keypair")
class CopyKeypair(Action):
    """args: cloud, name, public_key, type. There was none of the name when the plan was made."""

    def _find(self, args: Args) -> dict[str, Any] | None:
        found = cloud_of(args).get("compute", f"/os-keypairs/{quote(args['name'], safe='')}", missing_ok=True)
        return dict(found["keypair"]) if found else None

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The key of that name is the one."""
        found = self._find(args)
        same = found is not None and found["public_key"].split()[:2] == args["public_key"].split()[:2]
        return {"id": args["name"], "ours": bool(ctx.noted("making"))} if same else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Make it."""
        if self._find(args) is not None:
            raise StepFailed(_("The user of the cloud has another keypair {name} by now.").format(name=args["name"]))
        ctx.note("making", True)
        ctx.event("effect", "create keypair", name=args["name"])
        body = {"name": args["name"], "public_key": args["public_key"], "type": args["type"]}
        try:
            cloud_of(args).post("compute", "/os-keypairs", {"keypair": body})
        except ApiError as e:
            raise _named(e, f"{kind_text('keypair')} {args['name']}") from e
        return {"id": args["name"], "ours": True}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Delete it if it is ours."""
        if ctx.noted("making") and self.probe(ctx, args):
            ctx.event("effect", "delete keypair", name=args["name"])
            cloud_of(args).delete("compute", f"/os-keypairs/{quote(args['name'], safe='')}")


@action("nova.copy.flavor")
class CopyFlavor(Action):
    """args: cloud, name, body (its size in Nova's words), specs."""

    def _find(self, args: Args) -> dict[str, Any] | None:
        flavors = cloud_of(args).list("compute", "/flavors/detail?is_public=None", "flavors")
        return next((f for f in flavors if f["name"] == args["name"]), None)

    def _specs(self, args: Args, flavor: str) -> dict[str, str]:
        found: dict[str, str] = cloud_of(args).get("compute", f"/flavors/{flavor}/os-extra_specs")["extra_specs"]
        return found

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The flavor of that name with its extra specs."""
        found = self._find(args)
        if found is None or not args["specs"].items() <= self._specs(args, found["id"]).items():
            return None
        return {"id": found["id"], "ours": found.get("description") == mark(ctx)}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Make it, or finish what a killed attempt has made."""
        cloud = cloud_of(args)
        found = self._find(args)
        try:
            if found is None:
                ctx.event("effect", "create flavor", name=args["name"])
                body = {"name": args["name"], "description": mark(ctx), **args["body"]}
                found = cloud.post("compute", "/flavors", {"flavor": body})["flavor"]
            elif found.get("description") != mark(ctx):
                raise StepFailed(_("The cloud has another flavor {name} by now.").format(name=args["name"]))
            if args["specs"]:
                cloud.post("compute", f"/flavors/{found['id']}/os-extra_specs", {"extra_specs": args["specs"]})
        except ApiError as e:
            hint = _("Only administrators may make flavors: have {name} made, or name another one.")
            raise _named(e, f"{kind_text('flavor')} {args['name']}", hint.format(name=args["name"])) from e
        return {"id": found["id"], "ours": True}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Delete it if it is ours and no server has it."""
        cloud = cloud_of(args)
        found = self._find(args)
        if found is None or found.get("description") != mark(ctx):
            return
        if cloud.list("compute", f"/servers?all_tenants=1&flavor={found['id']}", "servers"):
            ctx.event("note", "flavor kept: a server has it", name=args["name"])
            return
        ctx.event("effect", "delete flavor", name=args["name"])
        cloud.delete("compute", f"/flavors/{found['id']}")

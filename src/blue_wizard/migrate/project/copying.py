"""Which objects of a project have their copy already, and the steps that make the others in the order of their needs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from blue_wizard.jobs.model import Json, Risk, Step
from blue_wizard.migrate.mapping import MapFile
from blue_wizard.migrate.origin_cloud.servers import labels
from blue_wizard.migrate.preconditions import Finding
from blue_wizard.migrate.project.inventory import Inventory, Item
from blue_wizard.migrate.project.names import kind_text
from blue_wizard.text import _

__all__ = ["Copying", "correspond", "mapping_of"]


@dataclass
class Copying:
    """What is there, and what is to be made. `known` are ids at the target by ids at the source."""

    known: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    images: list[Item] = field(default_factory=list)
    volumes: list[Item] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    made: dict[str, str] = field(default_factory=dict)
    """The step that makes an object, by its id at the source."""

    def ref(self, id_: str) -> Json:
        """How a step names an object of the source: by the id of its copy, or by the step that will have made it."""
        if id_ in self.known:
            return self.known[id_]
        return {"outcome_of": self.made[id_]} if id_ in self.made else None

    def wrong(self, title: str, detail: str) -> None:
        """Something stands in the way that a person has to decide."""
        self.findings.append(Finding(title, False, detail, True))


def correspond(old: Inventory, new: Inventory, mapped: MapFile, only: Collection[str]) -> Copying:
    """Compare two projects. `only` are kinds of `inventory.KINDS`."""
    found = Copying()
    cloud = new.cloud
    if "flavors" in only:
        _flavors(found, old, new, mapped, cloud)
    if "keypairs" in only:
        _keypairs(found, old, new, cloud)
    if "groups" in only:
        _groups(found, old, new, mapped, cloud)
    if "networks" in only:
        _networks(found, old, new, mapped, cloud)
    if "routers" in only:
        _routers(found, old, new, mapped, cloud)
    if "images" in only:
        found.images = [i for i in old.of("image") if not _image_is_there(found, i, new)]
        for image in found.images:
            _tell_left_out(found, image)
    if "volumes" in only:
        for volume in old.of("volume"):
            if volume.id in new.copies:
                found.known[volume.id] = new.copies[volume.id]
            elif volume.extra["encrypted"]:
                found.remarks.append(_("volume {name} is encrypted, and is not copied").format(name=volume.name))
            else:
                found.volumes.append(volume)
                _tell_left_out(found, volume)
    return found


def _step(found: Copying, item: Item, verb: str, args: Mapping[str, Json], title: str) -> None:
    step = Step(f"{item.kind}.{sum(s.id.startswith(item.kind + '.') for s in found.steps)}", verb, args, title, "",
                Risk.LOW, 2)  # fmt: skip
    found.made[item.id] = step.id
    found.steps.append(step)
    _tell_left_out(found, item)


def _tell_left_out(found: Copying, item: Item) -> None:
    if item.left_out:
        text = _("{kind} {name}: not copied: {what}")
        found.remarks.append(text.format(kind=kind_text(item.kind), name=item.name, what=", ".join(item.left_out)))


def _flavors(found: Copying, old: Inventory, new: Inventory, mapped: MapFile, cloud: str) -> None:
    there = {f.name: f for f in new.of("flavor")}
    for flavor in old.of("flavor"):
        name = mapped.flavors.get(flavor.name, flavor.name)
        other = there.get(name)
        if other is None and name != flavor.name:
            found.wrong(
                _("flavor {name}").format(name=flavor.name), _("the cloud has no flavor {name}").format(name=name)
            )
        elif other is None:
            args = {"cloud": cloud, "name": name, "body": dict(flavor.body), "specs": dict(flavor.extra["specs"])}
            _step(found, flavor, "nova.copy.flavor", args, _("make flavor {name}").format(name=name))
        elif name == flavor.name and dict(other.body) != dict(flavor.body):
            found.wrong(
                _("flavor {name}").format(name=name),
                _("the cloud has one of that name and another size; say which one stands for it: --map"),
            )
        else:
            found.known[flavor.id] = other.id


def _keypairs(found: Copying, old: Inventory, new: Inventory, cloud: str) -> None:
    there = {k.name: k for k in new.of("keypair")}
    for key in old.of("keypair"):
        other = there.get(key.name)
        if other is None:
            args = {"cloud": cloud, "name": key.name, **key.body}
            _step(found, key, "nova.copy.keypair", args, _("make keypair {name}").format(name=key.name))
        elif _public(other) != _public(key):
            found.wrong(
                _("keypair {name}").format(name=key.name), _("the user of the cloud has another one of that name")
            )
        else:
            found.known[key.id] = other.id


def _public(key: Item) -> list[str]:
    # What follows the key itself is a comment.
    return str(key.body["public_key"]).split()[:2]


def _create(found: Copying, item: Item, cloud: str, body: Mapping[str, Json], title: str) -> None:
    args = {"cloud": cloud, "kind": item.kind, "origin": item.id, "name": item.name, "body": dict(body)}
    _step(found, item, "neutron.copy.create", args, title)


def _same_name(found: Copying, item: Item, new: Inventory, title: str) -> bool:
    """Whether the target has an object of that name that is no copy: a person has to say what is meant."""
    if any(i.name == item.name for i in new.of(item.kind)):
        found.wrong(title, _("the project has one of that name that is no copy of it; rename it, or name it in --map"))
        return True
    return False


def _groups(found: Copying, old: Inventory, new: Inventory, mapped: MapFile, cloud: str) -> None:
    there = {g.id: g for g in new.of("group")}
    fresh = set()
    for group in old.of("group"):
        title = _("security group {name}").format(name=group.name)
        chosen = mapped.groups.get(group.name, "default" if group.name == "default" else None)
        if chosen is not None:
            ids = [g.id for g in there.values() if chosen in {g.id, g.name}]
            if len(ids) == 1:
                found.known[group.id] = ids[0]
            else:
                found.wrong(title, _("the project has no group {name}, or several").format(name=chosen))
        elif new.copies.get(group.id) in there:
            found.known[group.id] = new.copies[group.id]
        elif not _same_name(found, group, new, title):
            _create(found, group, cloud, group.body, _("make security group {name}").format(name=group.name))
            fresh.add(group.id)
    # Rules name groups: all of them come after all groups.
    for group in old.of("group"):
        if found.ref(group.id) is None or group.name in mapped.groups:
            continue
        rules = [_rule(found, r) for r in group.extra["rules"]]
        missing = [r for r in rules if r is not None]
        for rule in group.extra["rules"]:
            if rule["remote_group_id"] and found.ref(rule["remote_group_id"]) is None:
                text = _("security group {name}: a rule names the group {id}, which is not copied")
                found.remarks.append(text.format(name=group.name, id=rule["remote_group_id"]))
        if group.id not in fresh:
            have = there[found.known[group.id]].extra["rules"]
            missing = [r for r in missing if r not in have]
        if missing or group.id in fresh:
            args = {"cloud": cloud, "group": found.ref(group.id), "name": group.name, "rules": missing,
                    "exact": group.id in fresh}  # fmt: skip
            title = _("{count} rules of security group {name}").format(count=len(missing), name=group.name)
            number = sum(s.id.startswith("rules.") for s in found.steps)
            found.steps.append(Step(f"rules.{number}", "neutron.copy.rules", args, title, "", Risk.LOW, 3))


def _rule(found: Copying, rule: Mapping[str, Any]) -> dict[str, Json] | None:
    if not rule["remote_group_id"]:
        return dict(rule)
    ref = found.ref(rule["remote_group_id"])
    return {**rule, "remote_group_id": ref} if ref is not None else None


def _networks(found: Copying, old: Inventory, new: Inventory, mapped: MapFile, cloud: str) -> None:
    named = labels({"id": n.id, "name": n.name} for n in old.of("network"))
    by_hand = set()
    for network in old.of("network"):
        title = _("network {name}").format(name=named[network.id])
        chosen = mapped.networks.get(named[network.id])
        if network.id in new.copies and chosen in {None, new.copies[network.id]}:
            found.known[network.id] = new.copies[network.id]
        elif chosen is not None:
            id_ = _one(new, chosen)
            by_hand.add(network.id)
            if id_ is None:
                found.wrong(title, _("the cloud has no network {name}, or several").format(name=chosen))
            else:
                found.known[network.id] = id_
        elif not _same_name(found, network, new, title):
            _create(found, network, cloud, network.body, _("make network {name}").format(name=network.name))
    for subnet in old.of("subnet"):
        network_id = subnet.body["network_id"]
        if network_id in by_hand:
            same = [s.id for s in new.of("subnet") if s.body["network_id"] == found.known.get(network_id)
                    and s.body["cidr"] == subnet.body["cidr"]]  # fmt: skip
            found.known |= {subnet.id: same[0]} if same else {}
        elif subnet.id in new.copies:
            found.known[subnet.id] = new.copies[subnet.id]
        elif found.ref(network_id) is not None:
            body = {**subnet.body, "network_id": found.ref(network_id)}
            title = _("make subnet {name} ({cidr})").format(name=subnet.name, cidr=subnet.body["cidr"])
            _create(found, subnet, cloud, body, title)


def _one(new: Inventory, name: str) -> str | None:
    ids = [i for i, n in new.names.items() if name == i] or [i for i, n in new.names.items() if name == n]
    return ids[0] if len(ids) == 1 else None


def _routers(found: Copying, old: Inventory, new: Inventory, mapped: MapFile, cloud: str) -> None:
    there = {r.id: r for r in new.of("router")}
    for router in old.of("router"):
        title = _("router {name}").format(name=router.name)
        body: dict[str, Any] = dict(router.body)
        if "external_gateway_info" in body:
            out = old.names.get(body["external_gateway_info"]["network_id"], "")
            id_ = _one(new, mapped.networks.get(out, out)) if out else None
            if id_ is None or id_ not in new.external:
                detail = _("the cloud has no external network {name}: say which one stands for it: --map")
                found.wrong(title, detail.format(name=repr(out)))
                continue
            body["external_gateway_info"] = {**body["external_gateway_info"], "network_id": id_}
        if router.id in new.copies:
            found.known[router.id] = new.copies[router.id]
        elif _same_name(found, router, new, title):
            continue
        else:
            _create(found, router, cloud, body, _("make router {name}").format(name=router.name))
        has = there[found.known[router.id]].extra if router.id in found.known else {"interfaces": (), "routes": ()}
        _interfaces(found, router, has["interfaces"], old, cloud)
        if router.extra["routes"] and not has["routes"]:
            args = {"cloud": cloud, "router": found.ref(router.id), "name": router.name,
                    "routes": router.extra["routes"]}  # fmt: skip
            number = sum(s.id.startswith("routes.") for s in found.steps)
            title = _("{count} static routes of router {name}").format(
                count=len(router.extra["routes"]), name=router.name
            )
            found.steps.append(Step(f"routes.{number}", "neutron.copy.routes", args, title, "", Risk.LOW, 2))


def _interfaces(found: Copying, router: Item, has: Sequence[Mapping[str, str]], old: Inventory, cloud: str) -> None:
    gateways = {s.id: s.body["gateway_ip"] for s in old.of("subnet")}
    for interface in router.extra["interfaces"]:
        subnet = found.ref(interface["subnet_id"])
        if subnet is None:
            text = _("router {name}: its card in the subnet {id} is not copied, since that subnet is not")
            found.remarks.append(text.format(name=router.name, id=interface["subnet_id"]))
            continue
        if any(i["subnet_id"] == subnet for i in has):
            continue
        args = {
            "cloud": cloud,
            "router": found.ref(router.id),
            "name": router.name,
            "subnet": subnet,
            "network": found.ref(interface["network_id"]),
            # The gateway's address is what a router gets by itself.
            "address": None if interface["address"] == gateways.get(interface["subnet_id"]) else interface["address"],
        }
        number = sum(s.id.startswith("interface.") for s in found.steps)
        title = _("put router {name} into its network as {address}").format(
            name=router.name, address=interface["address"]
        )
        found.steps.append(Step(f"interface.{number}", "neutron.copy.interface", args, title, "", Risk.LOW, 3))


def _image_is_there(found: Copying, image: Item, new: Inventory) -> bool:
    same = [i.id for i in new.of("image") if (i.name, i.extra["hash"]) == (image.name, image.extra["hash"])]
    id_ = new.copies.get(image.id) or (same[0] if same and image.extra["hash"][1] else None)
    if id_:
        found.known[image.id] = id_
    return id_ is not None


def mapping_of(old: Inventory, new: Inventory, found: Copying, mapped: MapFile) -> MapFile:
    """What stands for what, for `migrate plan --map`: what was said before, and every pair that is known now."""
    networks = labels([{"id": n.id, "name": n.name} for n in old.of("network")])
    there = {**{n.id: n.id for n in new.of("network")},
             **labels([{"id": i, "name": n} for i, n in new.names.items()])}  # fmt: skip
    groups = labels([{"id": g.id, "name": g.name} for g in old.of("group")])
    their_groups = labels([{"id": g.id, "name": g.name} for g in new.of("group")])
    flavors = {f.id: f.name for f in new.of("flavor")}
    known = found.known
    return mapped.model_copy(
        update={
            "networks": {
                **mapped.networks,
                **{networks[i]: there.get(known[i], known[i]) for i in networks if i in known},
            },
            "groups": {
                **mapped.groups,
                **{groups[i]: their_groups.get(known[i], known[i]) for i in groups if i in known},
            },
            "flavors": {
                **mapped.flavors,
                **{f.name: flavors[known[f.id]] for f in old.of("flavor") if known.get(f.id) in flavors},
            },
        }
    )

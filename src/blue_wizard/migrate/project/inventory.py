"""What a project has that can be copied, in the words of the APIs that make it. Reading, and pure parsing of what was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from blue_wizard import masking
from blue_wizard.migrate.origin_cloud.api import Api, owned
from blue_wizard.reach.flavors import specs_of

__all__ = ["KINDS", "ORIGIN", "Inventory", "Item", "origin_tag", "parse", "read"]

KINDS = ("networks", "routers", "groups", "flavors", "keypairs", "images", "volumes")
"""What can be asked for; networks bring their subnets, groups their rules."""
ORIGIN = "blue_wizard_from"
"""The property of a copy of an image or volume that names its original."""
_TAG = "blue-wizard-from-"
_NETWORK = ("name", "admin_state_up", "description", "mtu", "port_security_enabled")
_SUBNET = ("name", "description", "ip_version", "cidr", "gateway_ip", "enable_dhcp", "allocation_pools", "dns_nameservers",
           "host_routes", "ipv6_ra_mode", "ipv6_address_mode")  # fmt: skip
_RULE = (
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
)
# Properties that Glance, Nova and Cinder write themselves: of an image that came out of a server, or that stand for a store.
_OWN = (
    "os_hash_", "owner_specified.", "instance_uuid", "image_location", "image_state", "image_type", "base_image_ref",
    "boot_roles", "block_device_mapping", "root_device_name", "bdm_v2", "owner_", "user_id", "stores", "direct_url",
    "locations", "blue_wizard", "signature_verified", "cinder_encryption", "os_glance_", "img_config_drive_copied",
)  # fmt: skip
_IMAGE = {
    "id", "name", "status", "owner", "size", "virtual_size", "checksum", "created_at", "updated_at", "self", "file",
    "schema", "visibility", "tags", "protected", "disk_format", "container_format", "min_disk", "min_ram", "os_hidden",
    "kernel_id", "ramdisk_id",
}  # fmt: skip
# What a flavor asks of the hypervisor alone; other extra specs name aggregates and devices of their own cloud.
_SPECS = ("hw:", "quota:", "hw_rng:", "hw_video:", "hw_watchdog:", "hide_hypervisor_id")


@dataclass(frozen=True)
class Item:
    """One object. `body` is what makes another one like it; ids of other objects of the project stand in it as they are."""

    kind: str
    id: str
    name: str
    body: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What is made after it: a group's rules, a router's interfaces and routes, a flavor's extra specs."""
    left_out: tuple[str, ...] = ()
    """What of it is not copied, in the source's words."""


@dataclass(frozen=True)
class Inventory:
    """A project. `names` are those of all networks that it sees, by id; `external` the ids of those that lead out.

    `copies` are those of its objects that are copies: the id of the original to theirs, whatever their state.
    """

    cloud: str
    project: str
    items: tuple[Item, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    external: frozenset[str] = frozenset()
    copies: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: str) -> list[Item]:
        """The objects of a kind: network, subnet, router, group, flavor, keypair, image or volume."""
        return [i for i in self.items if i.kind == kind]


def origin_tag(id_: str) -> str:
    """The tag of a copy in Neutron that names its original."""
    return f"{_TAG}{id_}"


def read(api: Api, *, flavors: bool = True) -> Inventory:
    """Ask the APIs. Reads only. `flavors`: those that its servers use, or (of a target) all."""
    servers = api.list("compute", "/servers/detail", "servers")
    listed = api.list("compute", "/flavors/detail", "flavors")
    used = {s["flavor"].get("id") or s["flavor"].get("original_name") for s in servers}
    wanted = [f for f in listed if f["id"] in used or f["name"] in used] if flavors else listed
    specs = {f["id"]: f.get("extra_specs") or specs_of(api, f["id"]) for f in wanted} if flavors else {}
    project = f"?project_id={api.project}"
    return parse(
        api.cloud.name,
        api.project,
        networks=api.list("network", "/networks", "networks"),
        subnets=api.list("network", "/subnets", "subnets"),
        routers=api.list("network", f"/routers{project}", "routers"),
        ports=api.list("network", f"/ports{project}", "ports"),
        groups=api.list("network", f"/security-groups{project}", "security_groups"),
        flavors=wanted,
        specs=specs,
        keypairs=[k["keypair"] for k in api.list("compute", "/os-keypairs", "keypairs")],
        images=api.images(f"owner={api.project}"),
        volumes=api.list("block_storage", "/volumes/detail", "volumes"),
    )


def parse(
    cloud: str,
    project: str,
    *,
    networks: Iterable[Mapping[str, Any]] = (),
    subnets: Iterable[Mapping[str, Any]] = (),
    routers: Iterable[Mapping[str, Any]] = (),
    ports: Iterable[Mapping[str, Any]] = (),
    groups: Iterable[Mapping[str, Any]] = (),
    flavors: Iterable[Mapping[str, Any]] = (),
    specs: Mapping[str, Mapping[str, str]] | None = None,
    keypairs: Iterable[Mapping[str, Any]] = (),
    images: Iterable[Mapping[str, Any]] = (),
    volumes: Iterable[Mapping[str, Any]] = (),
) -> Inventory:
    """The inventory, from the answers of any generation (pure)."""
    seen, images, volumes = list(networks), list(images), list(volumes)
    own = [n for n in seen if owned(n) == project and not n.get("router:external")]
    ids = {n["id"] for n in own}
    items = [_network(n) for n in own]
    items += [_subnet(s) for s in subnets if s["network_id"] in ids]
    interfaces = [
        p for p in ports if p.get("device_owner", "").startswith("network:") and "router" in p["device_owner"]
    ]
    items += [_router(r, interfaces) for r in routers if owned(r) == project]
    items += [_group(g) for g in groups if owned(g) == project]
    items += [_flavor(f, (specs or {}).get(f["id"], {})) for f in flavors]
    items += [
        Item("keypair", k["name"], k["name"], {"public_key": k["public_key"], "type": k.get("type", "ssh")})
        for k in keypairs
    ]
    items += [_image(i) for i in images if i.get("owner") == project and i["status"] == "active" and _whole(i)]
    items += [_volume(v) for v in volumes if v["status"] == "available" and not v["attachments"]]
    return Inventory(
        cloud,
        project,
        tuple(items),
        {n["id"]: n["name"] for n in seen},
        frozenset(n["id"] for n in seen if n.get("router:external")),
        {
            **{t.removeprefix(_TAG): i.id for i in items for t in i.tags if t.startswith(_TAG)},
            **{i[ORIGIN]: i["id"] for i in images if i.get(ORIGIN) and i["status"] == "active"},
            **{v["metadata"][ORIGIN]: v["id"] for v in volumes if (v.get("metadata") or {}).get(ORIGIN)},
        },
    )


def _taken(entry: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    # An old cloud knows not all of them, and None is what a new one takes for granted.
    return {n: entry[n] for n in names if entry.get(n) is not None}


def _network(entry: Mapping[str, Any]) -> Item:
    left = ("shared",) if entry.get("shared") else ()
    tags = tuple(entry.get("tags") or ())
    return Item("network", entry["id"], entry["name"], _taken(entry, _NETWORK), tags, left_out=left)


def _subnet(entry: Mapping[str, Any]) -> Item:
    body = {**_taken(entry, _SUBNET), "network_id": entry["network_id"], "gateway_ip": entry["gateway_ip"]}
    return Item("subnet", entry["id"], entry["name"] or entry["cidr"], body, tuple(entry.get("tags") or ()))


def _router(entry: Mapping[str, Any], ports: Iterable[Mapping[str, Any]]) -> Item:
    body = _taken(entry, ("name", "description", "admin_state_up"))
    gateway = entry.get("external_gateway_info") or {}
    if gateway:
        body["external_gateway_info"] = {"network_id": gateway["network_id"]}
        if gateway.get("enable_snat") is False:
            body["external_gateway_info"]["enable_snat"] = False
    interfaces = [
        {"subnet_id": f["subnet_id"], "network_id": p["network_id"], "address": f["ip_address"]}
        for p in ports
        if p["device_id"] == entry["id"] and "gateway" not in p["device_owner"] and "snat" not in p["device_owner"]
        for f in p["fixed_ips"]
    ]
    # A distributed router has a port for each interface on each host, with one address.
    once = {(i["subnet_id"], i["address"]): i for i in interfaces}
    extra = {"interfaces": list(once.values()), "routes": list(entry.get("routes") or ())}
    left = tuple(w for w in ("ha", "distributed") if entry.get(w))
    return Item("router", entry["id"], entry["name"], body, tuple(entry.get("tags") or ()), extra, left)


def _group(entry: Mapping[str, Any]) -> Item:
    rules = [{n: r.get(n) for n in _RULE} for r in entry["security_group_rules"]]
    left = tuple("remote_address_group_id" for r in entry["security_group_rules"] if r.get("remote_address_group_id"))
    kept = [
        r for r, e in zip(rules, entry["security_group_rules"], strict=True) if not e.get("remote_address_group_id")
    ]
    body = _taken(entry, ("name", "description"))
    if entry.get("stateful") is False:
        body["stateful"] = False
    return Item("group", entry["id"], entry["name"], body, tuple(entry.get("tags") or ()), {"rules": kept}, left[:1])


def _flavor(entry: Mapping[str, Any], specs: Mapping[str, str]) -> Item:
    body = {
        "vcpus": entry["vcpus"],
        "ram": entry["ram"],
        "disk": entry["disk"],
        "OS-FLV-EXT-DATA:ephemeral": entry.get("OS-FLV-EXT-DATA:ephemeral") or 0,
        # Before microversion 2.75 no swap is an empty string.
        "swap": entry.get("swap") or 0,
    }
    kept = {k: v for k, v in specs.items() if k.startswith(_SPECS)}
    left = tuple(sorted(set(specs) - set(kept)))
    return Item("flavor", entry["id"], entry["name"], body, (), {"specs": kept}, left)


def _whole(image: Mapping[str, Any]) -> bool:
    """An image of a server that boots from a volume holds nothing: it names snapshots of its own cloud."""
    return (
        bool(image.get("size"))
        and not image.get("block_device_mapping")
        and not image["name"].startswith("blue-wizard-")
    )


def _image(entry: Mapping[str, Any]) -> Item:
    # They name other images of their own cloud.
    left = tuple(n for n in ("kernel_id", "ramdisk_id") if entry.get(n))
    properties = {k: v for k, v in entry.items() if k not in _IMAGE and isinstance(v, str) and not k.startswith(_OWN)}
    properties, hidden = masking.open_part(properties)
    body = {**properties, **_taken(entry, ("name", "disk_format", "container_format", "min_disk", "min_ram"))}
    algorithm = entry.get("os_hash_algo")
    extra = {
        "size": entry["size"],
        # Before Rocky there is an MD5 alone.
        "hash": [algorithm, entry["os_hash_value"]] if algorithm else ["md5", entry.get("checksum") or ""],
    }
    return Item("image", entry["id"], entry["name"], body, tuple(entry.get("tags") or ()), extra, (*left, *hidden))


def _volume(entry: Mapping[str, Any]) -> Item:
    own = {k: v for k, v in (entry.get("metadata") or {}).items() if not k.startswith("blue_wizard")}
    metadata, hidden = masking.open_part(own)
    body = {
        "name": entry["name"] or "",
        "description": entry.get("description") or "",
        "size": entry["size"],
        "metadata": metadata,
    }
    properties = entry.get("volume_image_metadata") or {}
    extra = {
        "bootable": entry.get("bootable") == "true",
        "image_metadata": masking.open_part(
            {k: v for k, v in properties.items() if k.startswith(("hw_", "os_")) and not k.startswith(_OWN)}
        )[0],
        "encrypted": bool(entry.get("encrypted")),
        "type": entry.get("volume_type") or "",
    }
    return Item("volume", entry["id"], entry["name"] or entry["id"], body, (), extra, hidden)

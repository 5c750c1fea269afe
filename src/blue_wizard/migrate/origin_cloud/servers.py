"""Servers of a cloud as machines: from the answers of its APIs, of every generation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from blue_wizard import masking
from blue_wizard.migrate.machine import Disk, Firmware, Machine, Nic, Power, Together
from blue_wizard.migrate.mapping import GIB
from blue_wizard.text import _

__all__ = ["LOOSE", "ROOT", "Around", "in_order", "labels", "machine_of", "power_of", "together"]

ROOT = "root"
"""The id of a root disk that is local; other disks have the id of their volume."""
LOOSE = "volumes"
"""Stands for the machine of volumes that no server has."""
_HARDWARE = ("hw_", "os_type", "os_distro", "os_version", "os_admin_user", "os_require_quiesce")
_STILL = {"ACTIVE", "SHUTOFF"}


@dataclass(frozen=True)
class Around:
    """What stands around the servers: listings of the same project, by ids. `networks` and `groups` give names."""

    flavors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    volumes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ports: Mapping[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    """By the id of the server."""
    networks: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    floating: Mapping[str, list[str]] = field(default_factory=dict)
    """Floating addresses by the id of their port."""
    together: Mapping[str, tuple[Together, ...]] = field(default_factory=dict)
    """By the id of the server."""


@dataclass(frozen=True)
class _Size:
    name: str
    vcpus: int
    ram: int
    disk: int
    ephemeral: int
    swap: int


def labels(entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What a person calls each of these objects: its name, or its id where that is empty or another's too."""
    listed = list(entries)
    names = [e["name"] for e in listed]
    return {e["id"]: e["name"] if e["name"] and names.count(e["name"]) == 1 else e["id"] for e in listed}


def power_of(server: Mapping[str, Any]) -> Power:
    """Whether a server runs. One on its way counts as running: its disks are not at rest."""
    at_rest = server["status"] == "SHUTOFF" and not server.get("OS-EXT-STS:task_state")
    return Power.OFF if at_rest else Power.ON


def machine_of(server: Mapping[str, Any], around: Around) -> Machine:
    """The machine that a server is, with what keeps it from moving and what will change for it."""
    size = _size(server, around.flavors)
    volumes = _volumes(server, around.volumes)
    from_image = bool(server.get("image"))
    image = around.images.get(server["image"]["id"], {}) if from_image else {}
    if not from_image and volumes:
        image = volumes[0].get("volume_image_metadata") or {}
    bus = str(image.get("hw_disk_bus") or "virtio")
    disks = [Disk(ROOT, size.disk * GIB, "", bus, boot=True)] if from_image and size else []
    disks += [
        Disk(v["id"], v["size"] * GIB, "raw", bus, boot=not from_image and i == 0, store=v.get("volume_type") or "")
        for i, v in enumerate(volumes)
    ]
    ports = in_order(server, around.ports.get(server["id"], ()))
    return Machine(
        id=server["id"],
        name=server["name"],
        vcpus=size.vcpus if size else 0,
        memory=size.ram if size else 0,
        disks=tuple(disks),
        nics=tuple(_nic(p, around) for p in ports),
        firmware=Firmware.UEFI if image.get("hw_firmware_type") == "uefi" else Firmware.BIOS,
        secure_boot=image.get("os_secure_boot") == "required",
        power=power_of(server),
        os=str(image.get("os_distro") or image.get("os_type") or ""),
        warnings=tuple(_warnings(server, size, ports, around)),
        blockers=tuple(_blockers(server, size, volumes, around)),
        rules=around.together.get(server["id"], ()),
        flavor=size.name if size else "",
        key=server.get("key_name") or "",
        metadata=masking.open_part(_metadata(server))[0],
        properties=masking.open_part(
            {k: v for k, v in image.items() if k.startswith(_HARDWARE) and isinstance(v, str)}
        )[0],
    )


def _metadata(server: Mapping[str, Any]) -> dict[str, str]:
    return {k: v for k, v in (server.get("metadata") or {}).items() if not k.startswith("blue_wizard")}


def in_order(server: Mapping[str, Any], ports: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The ports in the order in which the guest sees its cards: Nova tells it by its addresses, Neutron does not (pure)."""
    listed = [a.get("OS-EXT-IPS-MAC:mac_addr", "").lower() for n in (server.get("addresses") or {}).values() for a in n]

    def place(port: Mapping[str, Any]) -> int:
        mac = port["mac_address"].lower()
        return listed.index(mac) if mac in listed else len(listed)

    return sorted(ports, key=place)


def together(groups: Iterable[Mapping[str, Any]]) -> dict[str, tuple[Together, ...]]:
    """The rules of server groups, by the id of their members (pure)."""
    found: dict[str, tuple[Together, ...]] = {}
    for group in groups:
        # From microversion 2.64 on there is one policy, before a list of one. The new group is a soft one in any case.
        policy = group.get("policy") or next(iter(group.get("policies") or ()), "")
        rule = Together(group["name"], apart="anti" in policy)
        for member in group["members"] if "affinity" in policy else ():
            found[member] = (*found.get(member, ()), rule)
    return found


def _size(server: Mapping[str, Any], flavors: Mapping[str, Mapping[str, Any]]) -> _Size | None:
    """The server's own flavor where it carries it (from 2.47 on), else the one that it names; None when that is gone."""
    own = server["flavor"]
    flavor = own if "vcpus" in own else flavors.get(own.get("id", ""))
    if flavor is None:
        return None
    return _Size(
        name=flavor.get("original_name") or flavor.get("name") or "",
        vcpus=flavor["vcpus"],
        ram=flavor["ram"],
        disk=flavor["disk"],
        ephemeral=flavor.get("ephemeral", flavor.get("OS-FLV-EXT-DATA:ephemeral")) or 0,
        swap=flavor.get("swap") or 0,
    )


def _volumes(server: Mapping[str, Any], volumes: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Its volumes that are known, the boot volume first where it boots from one."""
    root = server.get("OS-EXT-SRV-ATTR:root_device_name") or ""

    def place(volume: Mapping[str, Any]) -> tuple[bool, int, str]:
        devices = [a.get("device") or "" for a in volume["attachments"] if a["server_id"] == server["id"]]
        device = devices[0] if devices else ""
        # vdz comes before vdaa.
        return device != root, len(device), device

    ids = [v["id"] for v in server.get("os-extended-volumes:volumes_attached", ())]
    return sorted((volumes[i] for i in ids if i in volumes), key=place)


def _nic(port: Mapping[str, Any], around: Around) -> Nic:
    addresses = tuple(f["ip_address"] for f in port["fixed_ips"])
    pairs = (p["ip_address"] for p in port.get("allowed_address_pairs") or ())
    return Nic(
        mac=port["mac_address"].lower(),
        network=around.networks.get(port["network_id"], port["network_id"]),
        model="virtio",
        addresses=addresses,
        # A pair may name a whole network; a card that may send from anywhere is a matter for a person.
        shared=tuple(a for a in pairs if "/" not in a and a not in addresses),
        groups=tuple(around.groups.get(g, g) for g in port.get("security_groups") or ()),
    )


def _blockers(
    server: Mapping[str, Any], size: _Size | None, volumes: list[Mapping[str, Any]], around: Around
) -> Iterable[str]:
    if server["status"] not in _STILL:
        yield _("it is {state}: start or stop it first").format(state=server["status"])
    elif server.get("OS-EXT-STS:task_state"):
        yield _("something is being done to it ({task})").format(task=server["OS-EXT-STS:task_state"])
    if size is None:
        yield _("its flavor is gone, so its size is not known")
    elif server.get("image") and not size.disk:
        yield _("its flavor says nothing of the size of its local disk")
    if size and size.ephemeral:
        yield _("it has an ephemeral disk of {size} GiB, which can't be exported").format(size=size.ephemeral)
    for attached in server.get("os-extended-volumes:volumes_attached", ()):
        if attached["id"] not in around.volumes:
            yield _("its volume {id} belongs to another project").format(id=attached["id"])
    for volume in volumes:
        if volume.get("encrypted"):
            yield _("its volume {id} is encrypted").format(id=volume["id"])
        if len(volume["attachments"]) > 1:
            yield _("its volume {id} is attached to other servers, too").format(id=volume["id"])
    if not server.get("image") and not volumes:
        yield _("it has no disk")


def _warnings(
    server: Mapping[str, Any], size: _Size | None, ports: list[Mapping[str, Any]], around: Around
) -> Iterable[str]:
    hidden = masking.open_part(_metadata(server))[1]
    if hidden:
        yield _("its metadata {names} is not taken along: by its name it is a secret").format(names=", ".join(hidden))
    if size and size.swap:
        yield _("its swap disk of {size} MiB is not copied").format(size=size.swap)
    if server.get("config_drive") in {True, "True"}:
        yield _("it has a configuration drive; the new server gets none")
    if server.get("image") and server["image"]["id"] not in around.images:
        yield _("its image is gone: whether it needs UEFI or another bus is not known")
    floating = [a for p in ports for a in around.floating.get(p["id"], ())]
    if floating:
        yield _("its floating addresses do not move: {addresses}").format(addresses=", ".join(floating))
    for port in ports:
        kind = port.get("binding:vnic_type") or "normal"
        if kind != "normal":
            yield _("card {mac} is of kind {kind}; the new one is a normal one").format(
                mac=port["mac_address"], kind=kind
            )
        if port.get("port_security_enabled") is False:
            yield _("card {mac} has no port security; the new one has").format(mac=port["mac_address"])
        if port.get("trunk_details"):
            yield _("card {mac} is a trunk; its subports do not move").format(mac=port["mac_address"])
        wide = [p["ip_address"] for p in port.get("allowed_address_pairs") or () if "/" in p["ip_address"]]
        if wide:
            yield _("card {mac} lets whole networks pass ({networks}); the new one does not").format(
                mac=port["mac_address"], networks=", ".join(wide)
            )

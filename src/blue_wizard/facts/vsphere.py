"""What vSphere's API tells of virtual machines, read from plain values (see `reach.vsphere.plain`). Pure.

Source: the vSphere Web Services API reference, VirtualMachine.config.hardware.device and what hangs on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "PROPERTIES",
    "DrsRule",
    "Snapshot",
    "Vm",
    "VmDisk",
    "VmNic",
    "datacenter_path",
    "parse_disks",
    "parse_rules",
    "parse_vm",
    "split_path",
    "unescape",
]

Props = Mapping[str, Any]

PROPERTIES: dict[str, tuple[str, ...]] = {
    "VirtualMachine": (
        "name",
        "config.instanceUuid",
        "config.uuid",
        "config.template",
        "config.version",
        "config.firmware",
        "config.bootOptions",
        "config.guestFullName",
        "config.keyId",
        "config.hardware",
        "config.changeTrackingEnabled",
        "capability.changeTrackingSupported",
        "runtime.powerState",
        "runtime.connectionState",
        "runtime.consolidationNeeded",
        "runtime.faultToleranceState",
        "runtime.host",
        "guest.toolsRunningStatus",
        "guest.guestFullName",
        "guest.net",
        "snapshot",
        "customValue",
    ),
    "Datastore": ("name", "parent"),
    "Datacenter": ("name", "parent"),
    "Folder": ("name", "parent"),
    "HostSystem": ("name",),
    "ClusterComputeResource": ("configurationEx",),
    "dvs.DistributedVirtualPortgroup": ("name", "key"),
    "OpaqueNetwork": ("name", "summary"),
}
"""All that an inventory needs, by the type of the object."""

_BUSES = {
    "ParaVirtualSCSIController": ("scsi", "pvscsi"),
    "VirtualLsiLogicController": ("scsi", "lsilogic"),
    "VirtualLsiLogicSASController": ("scsi", "lsisas1068"),
    "VirtualBusLogicController": ("scsi", "buslogic"),
    "VirtualIDEController": ("ide", "ide"),
    "VirtualAHCIController": ("sata", "ahci"),
    "VirtualSATAController": ("sata", "ahci"),
    "VirtualNVMEController": ("nvme", "nvme"),
}
_PASSTHROUGH = {
    "VirtualPCIPassthrough",
    "VirtualSCSIPassthrough",
    "VirtualUSB",
    "VirtualSriovEthernetCard",
    "VirtualNVDIMM",
}


@dataclass(frozen=True)
class VmDisk:
    """A disk. `backing` is the short name of its backing ("FlatVer2", "RawDiskMappingVer1" ...); sizes are bytes.

    `file` is the datastore path of its descriptor, `datastore` the datastore's id. `parent` says that it is a difference
    to another file (a snapshot or a linked clone). `change_id` names the state of its changed block tracking, "" without one.
    `place` is its controller and number there (``ParaVirtualSCSIController0:1``), as export leases call it.
    """

    key: int
    label: str
    size: int
    bus: str
    controller: str
    bus_sharing: str
    file: str
    datastore: str
    backing: str
    thin: bool
    mode: str
    sharing: str
    encrypted: bool
    parent: bool
    change_id: str = ""
    place: str = ""


@dataclass(frozen=True)
class VmNic:
    """A network card. `network` is the name of its network or port group."""

    key: int
    mac: str
    network: str
    model: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of a machine, by its managed object id."""

    id: str
    name: str


@dataclass(frozen=True)
class DrsRule:
    """A rule of a cluster: the machines `vms` (ids) have to run together, or `apart`."""

    name: str
    apart: bool
    vms: tuple[str, ...]


@dataclass(frozen=True)
class Vm:
    """A virtual machine; `id` is its managed object id, `memory` in MiB, `boot` the key of its boot disk.

    `host` is the id of the ESXi host that it is registered on, "" when it is not told.
    """

    id: str
    name: str
    vcpus: int
    memory: int
    power: str
    firmware: str = "bios"
    secure_boot: bool = False
    os: str = ""
    tools: bool = False
    hardware: int | None = None
    disks: tuple[VmDisk, ...] = ()
    nics: tuple[VmNic, ...] = ()
    boot: int | None = None
    snapshots: tuple[Snapshot, ...] = ()
    encrypted: bool = False
    tpm: bool = False
    media: tuple[str, ...] = ()
    passthrough: tuple[str, ...] = ()
    template: bool = False
    connected: bool = True
    host: str = ""
    bios: str = ""
    attributes: tuple[tuple[int, str], ...] = ()
    """Custom attributes that are set: the key of each, whose name the vCenter knows, and its value."""
    tracking: bool = False
    can_track: bool = True
    """Changed block tracking is on; its virtual hardware knows it."""
    scattered: bool = False
    """Deleted snapshots are not merged yet: its disks have to be consolidated."""
    fault_tolerant: bool = False
    readable: bool = True
    """False when the API did not give its configuration: it is orphaned, or the user may not read it."""


def unescape(name: str) -> str:
    """A name as people see it: the API escapes slash, backslash and percent (ManagedEntity.name)."""
    return re.sub(r"%(2f|5c|25)", lambda m: {"2f": "/", "5c": "\\", "25": "%"}[m[1].lower()], name, flags=re.I)


def split_path(path: str) -> tuple[str, str]:
    """``[datastore] folder/file`` as (datastore, folder/file). Raises ValueError for anything else."""
    found = re.fullmatch(r"\[([^\]]+)\] ?(.+)", path)
    if found is None:
        raise ValueError(f"no datastore path: {path!r}")
    return found[1], found[2]


def datacenter_path(id: str, entities: Mapping[str, Props]) -> str:
    """The path of the datacenter above an object, as ``dcPath`` wants it: without the root folder. "" when there is none.

    `entities` are the properties of folders, datacenters and the object itself, by id. Names stay escaped.
    """
    chain: list[str] = []
    inside = False
    at = entities.get(id)
    while at is not None:
        inside = inside or bool(at.get("datacenter"))
        if inside:
            chain.append(str(at["name"]))
        at = entities.get(at.get("parent", ""))
    return "/".join(reversed(chain))


def parse_vm(id: str, props: Props, networks: Mapping[str, str]) -> Vm:
    """A machine from its properties. `networks` gives the names of distributed port groups and opaque networks by key."""
    hardware = props.get("config.hardware")
    power = str(props.get("runtime.powerState", "unknown"))
    name = unescape(str(props.get("name", id)))
    if hardware is None:
        return Vm(id, name, 0, 0, power, readable=False, connected=props.get("runtime.connectionState") == "connected")
    devices: list[Props] = hardware.get("device", [])
    boot = props.get("config.bootOptions", {})
    disks = parse_disks(devices)
    version = re.fullmatch(r"vmx-(\d+)", str(props.get("config.version", "")))
    return Vm(
        id=id,
        name=name,
        vcpus=int(hardware["numCPU"]),
        memory=int(hardware["memoryMB"]),
        power=power,
        firmware="uefi" if props.get("config.firmware") == "efi" else "bios",
        secure_boot=bool(boot.get("efiSecureBootEnabled")),
        os=str(props.get("guest.guestFullName") or props.get("config.guestFullName") or ""),
        tools=props.get("guest.toolsRunningStatus") == "guestToolsRunning",
        hardware=int(version[1]) if version else None,
        disks=disks,
        nics=_nics(devices, props.get("guest.net", []), networks),
        boot=_boot(boot, disks),
        snapshots=tuple(_snapshots(props.get("snapshot", {}).get("rootSnapshotList", []))),
        encrypted="config.keyId" in props,
        tpm=any(_kind(d) == "VirtualTPM" for d in devices),
        media=tuple(_media(devices)),
        passthrough=tuple(_kind(d) for d in devices if _kind(d) in _PASSTHROUGH),
        template=bool(props.get("config.template")),
        connected=props.get("runtime.connectionState", "connected") == "connected",
        host=str(props.get("runtime.host", "")),
        bios=str(props.get("config.uuid", "")).lower(),
        attributes=tuple((int(v["key"]), str(v["value"])) for v in props.get("customValue", []) if v.get("value")),
        tracking=bool(props.get("config.changeTrackingEnabled")),
        can_track=props.get("capability.changeTrackingSupported") is not False,
        fault_tolerant=props.get("runtime.faultToleranceState", "notConfigured") != "notConfigured",
        scattered=bool(props.get("runtime.consolidationNeeded")),
    )


def _kind(value: Props) -> str:
    return str(value.get("_type", "")).rpartition(".")[2]


def _snapshots(tree: Sequence[Props]) -> Iterator[Snapshot]:
    for one in tree:
        yield Snapshot(str(one["snapshot"]), unescape(str(one.get("name", ""))))
        yield from _snapshots(one.get("childSnapshotList", []))


def parse_rules(configuration: Props) -> list[DrsRule]:
    """The enabled rules of a cluster on machines (its ``configurationEx``)."""
    kinds = {"AntiAffinityRuleSpec": True, "AffinityRuleSpec": False}
    return [
        DrsRule(str(rule.get("name", "")), kinds[_kind(rule)], tuple(rule.get("vm", [])))
        for rule in configuration.get("rule", [])
        if _kind(rule) in kinds and rule.get("enabled") is not False
    ]


def parse_disks(devices: Sequence[Props]) -> tuple[VmDisk, ...]:
    """The disks among the devices of a machine, or of a snapshot of it."""
    controllers = {d["key"]: d for d in devices if _kind(d) in _BUSES}
    found = []
    for device in devices:
        if _kind(device) != "VirtualDisk":
            continue
        controller = controllers.get(device.get("controllerKey"), {})
        bus, model = _BUSES.get(_kind(controller), ("", ""))
        backing = device.get("backing", {})
        found.append(
            VmDisk(
                key=int(device["key"]),
                label=str(device.get("deviceInfo", {}).get("label", device["key"])),
                # Machines of before 5.5 tell kibibytes alone.
                size=int(device.get("capacityInBytes") or device.get("capacityInKB", 0) << 10),
                bus=bus,
                controller=model,
                bus_sharing=str(controller.get("sharedBus", "noSharing")),
                file=str(backing.get("fileName", "")),
                datastore=str(backing.get("datastore", "")),
                backing=_kind(backing).removesuffix("BackingInfo"),
                thin=bool(backing.get("thinProvisioned")),
                mode=str(backing.get("diskMode", "persistent")),
                sharing=str(backing.get("sharing") or "sharingNone"),
                encrypted="keyId" in backing,
                parent="parent" in backing,
                change_id=str(backing.get("changeId", "")),
                place=f"{_kind(controller)}{controller.get('busNumber', 0)}:{device.get('unitNumber', 0)}",
            )
        )
    return tuple(sorted(found, key=lambda d: d.key))


def _boot(options: Props, disks: Sequence[VmDisk]) -> int | None:
    """The first disk of the boot order; without an order the first one, as the firmware would take it."""
    keys = {d.key for d in disks}
    ordered = [e["deviceKey"] for e in options.get("bootOrder", []) if e.get("deviceKey") in keys]
    return ordered[0] if ordered else min(keys, default=None)


def _nics(devices: Sequence[Props], guest: Sequence[Props], networks: Mapping[str, str]) -> tuple[VmNic, ...]:
    addresses: dict[int, list[str]] = {}
    for entry in guest:
        addresses.setdefault(int(entry.get("deviceConfigId", -1)), []).extend(entry.get("ipAddress", []))
    found = []
    for device in devices:
        if "macAddress" not in device:
            continue
        key = int(device["key"])
        # Link-local addresses are made by the guest itself wherever it is.
        used = [a for a in addresses.get(key, []) if not a.lower().startswith(("fe80:", "169.254."))]
        used.sort(key=lambda a: ":" in a)
        model = _kind(device).removeprefix("Virtual").lower()
        found.append(
            VmNic(key, device["macAddress"].lower(), _network(device.get("backing", {}), networks), model, tuple(used))
        )
    return tuple(found)


def _network(backing: Props, networks: Mapping[str, str]) -> str:
    key = backing.get("port", {}).get("portgroupKey") or backing.get("opaqueNetworkId")
    return unescape(networks.get(key, key) if key else str(backing.get("deviceName", "")))


def _media(devices: Sequence[Props]) -> list[str]:
    return [
        str(d.get("backing", {}).get("fileName") or d.get("deviceInfo", {}).get("label", ""))
        for d in devices
        if _kind(d) in {"VirtualCdrom", "VirtualFloppy"}
        and (d.get("connectable", {}).get("connected") or d.get("connectable", {}).get("startConnected"))
    ]

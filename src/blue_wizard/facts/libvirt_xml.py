"""What libvirt says of a domain and its volumes: the XML of `virsh dumpxml`, and the tables of `virsh`."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from xml.etree.ElementTree import Element

from defusedxml import ElementTree

__all__ = [
    "Domain",
    "DomainDisk",
    "DomainInfo",
    "DomainNic",
    "Volume",
    "parse_addresses",
    "parse_block_info",
    "parse_domain",
    "parse_info",
    "parse_volume",
]

_UNITS = {"b": 1, "bytes": 1, "kb": 1000, "k": 1024, "kib": 1024, "mb": 10**6, "m": 1 << 20, "mib": 1 << 20,
          "gb": 10**9, "g": 1 << 30, "gib": 1 << 30, "t": 1 << 40, "tib": 1 << 40}  # fmt: skip


@dataclass(frozen=True)
class DomainDisk:
    """A disk of a domain. `kind` is file, block, volume, network ...; `path` is "" for kinds without one.

    `volume` is (pool, name) of a disk that is a volume of libvirt's own. `lun` says that the guest talks to the SCSI device itself,
    `shared` that other domains may write to it, too. `sector` is the size of the sectors that the guest sees, in bytes.
    """

    device: str
    kind: str
    path: str
    format: str
    bus: str
    readonly: bool
    order: int | None
    volume: tuple[str, str] = ("", "")
    lun: bool = False
    shared: bool = False
    encrypted: bool = False
    sector: int = 512


@dataclass(frozen=True)
class DomainNic:
    """A network card of a domain; `network` is the libvirt network, bridge or host device it hangs on."""

    mac: str
    network: str
    model: str


@dataclass(frozen=True)
class Domain:
    """A domain. `memory` is in MiB.

    `kernel` is the file of the host that it boots, "" where its disk has its loader. `folders` are those of the host that are
    shared with it. `sealed` says that its memory is encrypted, and what is sealed to that opens nowhere else.
    """

    uuid: str
    name: str
    vcpus: int
    memory: int
    uefi: bool
    secure_boot: bool
    disks: tuple[DomainDisk, ...]
    nics: tuple[DomainNic, ...]
    passthrough: bool
    architecture: str = "x86_64"
    kernel: str = ""
    folders: tuple[str, ...] = ()
    tpm: bool = False
    sealed: bool = False


@dataclass(frozen=True)
class DomainInfo:
    """How a domain stands. `saved` says that its memory lies in a file from which its next start goes on.

    One that is not `persistent` is forgotten by libvirt as soon as it is off.
    """

    state: str
    persistent: bool
    autostart: bool
    saved: bool


@dataclass(frozen=True)
class Volume:
    """A volume of a storage pool. `kind` is file, block, network ...; `size` (virtual) and `used` are in bytes."""

    kind: str
    path: str
    size: int
    used: int


def parse_domain(text: str) -> Domain:
    """Read the XML of `virsh dumpxml --inactive`. Raises ValueError when it is no domain."""
    root: Element = ElementTree.fromstring(text)
    if root.tag != "domain":
        raise ValueError(f"not a domain: {root.tag}")
    loader = root.find("os/loader")
    os_element = root.find("os")
    uefi: bool = (os_element is not None and os_element.get("firmware") == "efi") or (
        loader is not None and loader.get("type") == "pflash"
    )
    devices = root.find("devices")
    nodes = devices if devices is not None else Element("devices")
    return Domain(
        uuid=root.findtext("uuid", "").strip(),
        name=root.findtext("name", "").strip(),
        vcpus=int(root.findtext("vcpu", "1")),
        memory=_memory(root),
        uefi=uefi,
        secure_boot=loader is not None and loader.get("secure") == "yes",
        disks=tuple(_disk(d) for d in nodes.findall("disk") if d.get("device", "disk") in {"disk", "lun"}),
        nics=tuple(_nic(n) for n in nodes.findall("interface")),
        passthrough=bool(nodes.findall("hostdev")),
        architecture=_attribute(root.find("os/type"), "arch") or "x86_64",
        kernel=root.findtext("os/kernel", "").strip(),
        folders=tuple(filter(None, (_attribute(f.find("source"), "dir") for f in nodes.findall("filesystem")))),
        tpm=bool(nodes.findall("tpm")),
        sealed=root.find("launchSecurity") is not None,
    )


def _attribute(element: Element | None, name: str) -> str:
    return (element.get(name) if element is not None else None) or ""


def _memory(root: Element) -> int:
    element = root.find("memory")
    if element is None or not (element.text or "").strip().isdigit():
        return 0
    return int(element.text or 0) * _UNITS.get(element.get("unit", "KiB").lower(), 1024) >> 20


def _disk(element: Element) -> DomainDisk:
    source, driver, target, boot, io = (element.find(t) for t in ("source", "driver", "target", "boot", "blockio"))
    return DomainDisk(
        device=_attribute(target, "dev"),
        kind=element.get("type", ""),
        path=_attribute(source, "file") or _attribute(source, "dev"),
        format=_attribute(driver, "type") or "raw",
        bus=_attribute(target, "bus"),
        readonly=element.find("readonly") is not None,
        order=int(boot.get("order", "0")) if boot is not None else None,
        volume=(_attribute(source, "pool"), _attribute(source, "volume")),
        lun=element.get("device") == "lun",
        shared=element.find("shareable") is not None,
        # It stands beside the source in older descriptions.
        encrypted=element.find("encryption") is not None or element.find("source/encryption") is not None,
        sector=int(_attribute(io, "logical_block_size") or 512),
    )


def _nic(element: Element) -> DomainNic:
    mac, source, model = (element.find(t) for t in ("mac", "source", "model"))
    return DomainNic(
        mac=_attribute(mac, "address"),
        network=_attribute(source, "network") or _attribute(source, "bridge") or _attribute(source, "dev"),
        model=_attribute(model, "type"),
    )


def parse_addresses(text: str) -> dict[str, list[str]]:
    """The table of `virsh domifaddr`: MAC address to its IPv4 and IPv6 addresses, without prefix lengths.

    Link-local addresses are left out: a guest makes them by itself wherever it is.
    """
    found: dict[str, list[str]] = {}
    mac = ""
    for line in text.splitlines():
        words = line.split()
        if len(words) < 4 or words[2] not in {"ipv4", "ipv6"}:
            continue
        # Without --full the name and the MAC of a card stand only beside its first address.
        mac = mac if words[1] == "-" else words[1].lower()
        if mac.count(":") == 5:
            address = words[3].partition("/")[0]
            if not ip_address(address).is_link_local:
                found.setdefault(mac, []).append(address)
    return found


def parse_block_info(text: str) -> tuple[int, int]:
    """(capacity, allocation) in bytes of `virsh domblkinfo`. Raises ValueError when it knows neither ("-": the file is gone)."""
    values = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return int(values.get("Capacity", "")), int(values.get("Allocation", ""))


def parse_info(text: str) -> DomainInfo:
    """The table of `virsh dominfo`. Raises KeyError when it has no state."""
    values = {k.strip(): v.strip() for k, _colon, v in (line.partition(":") for line in text.splitlines())}
    return DomainInfo(
        state=values["State"],
        persistent=values.get("Persistent") != "no",
        autostart=values.get("Autostart") == "enable",
        saved=values.get("Managed save") == "yes",
    )


def parse_volume(text: str) -> Volume:
    """The XML of `virsh vol-dumpxml`. Raises ValueError when it is no volume."""
    root: Element = ElementTree.fromstring(text)
    if root.tag != "volume":
        raise ValueError(f"not a volume: {root.tag}")
    # libvirt tells both in bytes, whatever they were made with.
    sizes = (int(root.findtext(name, "0").strip() or 0) for name in ("capacity", "allocation"))
    return Volume(root.get("type", "file"), root.findtext("target/path", "").strip(), *sizes)

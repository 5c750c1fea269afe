"""What libvirt says of a domain: the XML of `virsh dumpxml`, and the tables of `virsh`."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from xml.etree.ElementTree import Element

from defusedxml import ElementTree

__all__ = ["Domain", "DomainDisk", "DomainNic", "parse_addresses", "parse_block_info", "parse_domain"]

_UNITS = {"b": 1, "bytes": 1, "kb": 1000, "k": 1024, "kib": 1024, "mb": 10**6, "m": 1 << 20, "mib": 1 << 20,
          "gb": 10**9, "g": 1 << 30, "gib": 1 << 30, "t": 1 << 40, "tib": 1 << 40}  # fmt: skip


@dataclass(frozen=True)
class DomainDisk:
    """A disk of a domain. `kind` is file, block, network ...; `path` is "" for kinds without one."""

    device: str
    kind: str
    path: str
    format: str
    bus: str
    readonly: bool
    order: int | None


@dataclass(frozen=True)
class DomainNic:
    """A network card of a domain; `network` is the libvirt network, bridge or host device it hangs on."""

    mac: str
    network: str
    model: str


@dataclass(frozen=True)
class Domain:
    """A domain. `memory` is in MiB."""

    uuid: str
    name: str
    vcpus: int
    memory: int
    uefi: bool
    secure_boot: bool
    disks: tuple[DomainDisk, ...]
    nics: tuple[DomainNic, ...]
    passthrough: bool


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
        disks=tuple(_disk(d) for d in nodes.findall("disk") if d.get("device", "disk") == "disk"),
        nics=tuple(_nic(n) for n in nodes.findall("interface")),
        passthrough=bool(nodes.findall("hostdev")),
    )


def _memory(root: Element) -> int:
    element = root.find("memory")
    if element is None or not (element.text or "").strip().isdigit():
        return 0
    return int(element.text or 0) * _UNITS.get(element.get("unit", "KiB").lower(), 1024) >> 20


def _disk(element: Element) -> DomainDisk:
    source, driver, target, boot = (element.find(t) for t in ("source", "driver", "target", "boot"))
    path = ""
    if source is not None:
        path = source.get("file") or source.get("dev") or ""
    return DomainDisk(
        device=(target.get("dev") if target is not None else "") or "",
        kind=element.get("type", ""),
        path=path,
        format=(driver.get("type") if driver is not None else "") or "raw",
        bus=(target.get("bus") if target is not None else "") or "",
        readonly=element.find("readonly") is not None,
        order=int(boot.get("order", "0")) if boot is not None else None,
    )


def _nic(element: Element) -> DomainNic:
    mac, source, model = (element.find(t) for t in ("mac", "source", "model"))
    network = ""
    if source is not None:
        network = source.get("network") or source.get("bridge") or source.get("dev") or ""
    return DomainNic(
        mac=(mac.get("address") if mac is not None else "") or "",
        network=network,
        model=(model.get("type") if model is not None else "") or "",
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
    """(capacity, allocation) in bytes of `virsh domblkinfo`. Raises KeyError when it says neither."""
    values = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return int(values["Capacity"]), int(values["Allocation"])

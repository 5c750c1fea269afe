"""What an Open vSwitch database says: bridges, ports, interfaces, mirrors. JSON of ``ovs-vsctl --format=json list``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Bridge", "Interface", "Learned", "Mirror", "Port", "Switch", "many", "parse_database", "parse_fdb", "plain"]


@dataclass(frozen=True)
class Interface:
    """A row of Interface. `ofport` is its OpenFlow number; None, or -1 where the device can't be opened."""

    name: str
    type: str = ""
    ofport: int | None = None
    admin_state: str = ""
    link_state: str = ""
    mtu: int | None = None
    options: dict[str, str] = field(default_factory=dict)
    external_ids: dict[str, str] = field(default_factory=dict)
    error: str = ""
    policing_rate: int = 0
    """``ingress_policing_rate`` in kbit/s; 0: none."""
    statistics: dict[str, int] = field(default_factory=dict)
    bfd: dict[str, str] = field(default_factory=dict)
    """``bfd_status``; nothing where BFD is off."""


@dataclass(frozen=True)
class Port:
    """A row of Port with its interfaces. `tag` is the access VLAN (4095 is Neutron's dead VLAN)."""

    name: str
    bridge: str
    interfaces: tuple[Interface, ...] = ()
    tag: int | None = None
    trunks: tuple[int, ...] = ()
    vlan_mode: str = ""
    other_config: dict[str, str] = field(default_factory=dict)
    external_ids: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mirror:
    """A row of Mirror; `output` is the name of its output port."""

    name: str
    bridge: str
    output: str = ""
    select_all: bool = False
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bridge:
    """A row of Bridge. `fail_mode` is ``secure``, ``standalone`` or nothing; `datapath` ``system`` or ``netdev``."""

    name: str
    fail_mode: str = ""
    datapath: str = ""
    ports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Switch:
    """One host's Open vSwitch."""

    version: str
    bridges: dict[str, Bridge]
    ports: dict[str, Port]
    mirrors: tuple[Mirror, ...] = ()
    external_ids: dict[str, str] = field(default_factory=dict)

    def interfaces(self) -> Iterator[tuple[Port, Interface]]:
        """All interfaces with their ports."""
        for port in self.ports.values():
            for interface in port.interfaces:
                yield port, interface

    def by_iface_id(self, iface_id: str) -> tuple[Port, Interface] | None:
        """The interface that serves a Neutron port (``external_ids:iface-id``)."""
        return next((x for x in self.interfaces() if x[1].external_ids.get("iface-id") == iface_id), None)

    def by_name(self, name: str) -> tuple[Port, Interface] | None:
        """The interface of that name."""
        return next((x for x in self.interfaces() if x[1].name == name), None)

    def tunnels(self, remote: str) -> list[tuple[Port, Interface]]:
        """The tunnel interfaces that lead to an address."""
        return [x for x in self.interfaces() if x[1].options.get("remote_ip") == remote]

    def nics(self, bridge: str) -> list[tuple[Port, Interface]]:
        """The interfaces of a bridge that are neither its own, nor patches, nor tunnels, nor a VM's."""
        return [
            (port, interface)
            for port, interface in self.interfaces()
            if port.bridge == bridge
            and interface.type in {"", "system", "dpdk"}
            and "iface-id" not in interface.external_ids
        ]


def plain(value: Any) -> Any:
    """OVSDB's JSON notation as Python: maps, sets (one element: itself; none: None)."""
    if isinstance(value, list) and len(value) == 2:
        kind, content = value
        if kind == "map":
            return {str(k): v for k, v in content}
        if kind == "set":
            items = [plain(item) for item in content]
            return None if not items else items if len(items) > 1 else items[0]
        if kind in {"uuid", "named-uuid"}:
            return content
    return value


def many(value: Any) -> list[Any]:
    """What `plain` made of a set, as a list."""
    return [] if value is None else value if isinstance(value, list) else [value]


def _tables(text: str) -> list[list[dict[str, Any]]]:
    decoder, rest, found = json.JSONDecoder(), text.strip(), []
    while rest:
        table, end = decoder.raw_decode(rest)
        found.append([{h: plain(v) for h, v in zip(table["headings"], row, strict=True)} for row in table["data"]])
        rest = rest[end:].strip()
    return found


def _texts(value: Any) -> dict[str, str]:
    return {k: str(v) for k, v in (value or {}).items()}


def _interface(row: dict[str, Any]) -> Interface:
    return Interface(
        row["name"],
        row["type"] or "",
        row["ofport"],
        row["admin_state"] or "",
        row["link_state"] or "",
        row["mtu"],
        _texts(row["options"]),
        _texts(row["external_ids"]),
        row["error"] or "",
        row["ingress_policing_rate"] or 0,
        {k: int(v) for k, v in (row["statistics"] or {}).items()},
        _texts(row.get("bfd_status")),
    )


def parse_database(text: str) -> Switch:
    """The tables Bridge, Port, Interface, Mirror and Open_vSwitch, one after the other. Raises ValueError for other text."""
    tables = _tables(text)
    if len(tables) != 5:
        raise ValueError(f"{len(tables)} tables instead of 5")
    bridge_rows, port_rows, interface_rows, mirror_rows, switch_rows = tables
    interfaces = {row["_uuid"]: _interface(row) for row in interface_rows}
    names = {row["_uuid"]: row["name"] for row in port_rows}
    home = {ref: row["name"] for row in bridge_rows for ref in many(row["ports"])}
    mirror_home = {ref: row["name"] for row in bridge_rows for ref in many(row["mirrors"])}
    ports = {
        row["name"]: Port(
            row["name"],
            home.get(row["_uuid"], ""),
            tuple(interfaces[ref] for ref in many(row["interfaces"]) if ref in interfaces),
            row["tag"],
            tuple(many(row["trunks"])),
            row["vlan_mode"] or "",
            _texts(row["other_config"]),
            _texts(row["external_ids"]),
        )
        for row in port_rows
    }
    bridges = {
        row["name"]: Bridge(
            row["name"],
            row["fail_mode"] or "",
            row["datapath_type"] or "system",
            tuple(names[ref] for ref in many(row["ports"]) if ref in names),
        )
        for row in bridge_rows
    }
    mirrors = tuple(
        Mirror(
            row["name"],
            mirror_home.get(row["_uuid"], ""),
            names.get(row["output_port"], ""),
            bool(row["select_all"]),
            tuple(names[ref] for ref in many(row["select_src_port"]) if ref in names),
        )
        for row in mirror_rows
    )
    first = switch_rows[0] if switch_rows else {}
    return Switch(str(first.get("ovs_version") or ""), bridges, ports, mirrors, _texts(first.get("external_ids")))


@dataclass(frozen=True)
class Learned:
    """One MAC address that a bridge has learned. `port` is an OpenFlow number (0: the bridge's own, ``LOCAL``)."""

    port: int
    vlan: int
    mac: str
    age: int


def parse_fdb(text: str) -> list[Learned]:
    """``ovs-appctl fdb/show BRIDGE``; ages in seconds (0 for what was entered by hand)."""
    lines = re.findall(r"^\s*(\d+|LOCAL)\s+(\d+)\s+([0-9a-f:]{17})\s+(\d+|static)", text, re.M)
    return [
        Learned(0 if p == "LOCAL" else int(p), int(v), mac, int(age) if age.isdigit() else 0)
        for p, v, mac, age in lines
    ]

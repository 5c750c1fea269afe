"""What OVN's southbound database says of a logical port: rows as ``ovsdb-client query`` gives them.

Source: OVN, ovn-sb(5) (Port_Binding, Chassis, Encap, Logical_Flow) and ovn-northd(8) (the stage ls_in_dhcp_options).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from blue_wizard.facts.ovs import many, plain

__all__ = ["Binding", "DhcpAnswer", "LogicalFlow", "binding", "dhcp_answers", "encaps", "logical_flow"]

_OFFER = re.compile(r"put_dhcp_opts\((.*?)\)\s*;")


@dataclass(frozen=True)
class Binding:
    """A row of Port_Binding. `kind` is its type ("" for a machine's, ``localport`` ...). `chassis` is the name of the chassis that
    has claimed the port, "" for none; `host` its host's name.

    `macs` are the port's addresses, and `allowed` those that it may send with (none: any), each "MAC IP ...".
    """

    port: str
    kind: str = ""
    chassis: str = ""
    host: str = ""
    requested: str = ""
    up: bool | None = None
    macs: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class DhcpAnswer:
    """What OVN's controller offers to a port: an address and the options with it."""

    address: str
    options: dict[str, str]


@dataclass(frozen=True)
class LogicalFlow:
    """A logical flow; `stage` is its table by name (``ls_in_acl`` ...)."""

    stage: str
    match: str
    actions: str


def binding(row: dict[str, Any], chassis: list[dict[str, Any]]) -> Binding:
    """A row of Port_Binding; `chassis` are the rows of Chassis."""
    known = {plain(c["_uuid"]): c for c in chassis}
    claimed = known.get(plain(row.get("chassis")), {})
    options, up = plain(row.get("options", ["map", []])), plain(row.get("up"))
    return Binding(
        str(row["logical_port"]),
        str(row.get("type", "")),
        str(claimed.get("name", "")),
        str(claimed.get("hostname", "")),
        str(options.get("requested-chassis", "")),
        up if isinstance(up, bool) else None,
        tuple(map(str, many(plain(row.get("mac"))))),
        tuple(map(str, many(plain(row.get("port_security"))))),
    )


def dhcp_answers(rows: list[dict[str, Any]], port: str) -> tuple[DhcpAnswer, ...]:
    """What is answered to DHCPv4 requests of a port, by rows of Logical_Flow of the stage ls_in_dhcp_options."""
    found = []
    for row in rows:
        if f'inport == "{port}"' not in row["match"] or not (said := _OFFER.search(row["actions"])):
            continue
        options = dict(part.split(" = ", 1) for part in re.split(r",\s*(?=\w+ = )", said[1]) if " = " in part)
        answer = DhcpAnswer(options.pop("offerip", ""), options)
        if answer not in found:
            found.append(answer)
    return tuple(found)


def encaps(rows: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    """(type, address) of the tunnel ends of a chassis, by rows of Encap."""
    return tuple((str(row["type"]), str(row["ip"])) for row in rows)


def logical_flow(row: dict[str, Any] | None) -> LogicalFlow | None:
    """A row of Logical_Flow."""
    if row is None:
        return None
    return LogicalFlow(str(plain(row["external_ids"]).get("stage-name", "")), row["match"], row["actions"])

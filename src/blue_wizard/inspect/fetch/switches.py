"""From Open vSwitch and OVN, on each host that has them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from blue_wizard.facts.ovs import Switch, parse_database
from blue_wizard.facts.probe import Command, Reading
from blue_wizard.inspect.facts import host_fact

__all__ = ["OvnChassis", "OvnController", "OvnRaft", "OvnSouth", "SwitchAnswer", "SwitchUse"]

_NOT_HERE = 3
# The daemon, or the agent that drives it, say that there should be a switch. By the names of processes: the command lines of our
# own script have all these words.
_DRIVEN = Command(("pgrep", "-x", "ovs-vswitchd|ovn-controller|neutron-openvsw.*"))
# With kolla the tools are in the switch's container.
_TOOLS = r"""
for c in docker podman; do command -v $c >/dev/null && $c inspect openvswitch_vswitchd >/dev/null 2>&1 && box=$c && break; done
ovs() { if [ -n "$box" ]; then $box exec openvswitch_vswitchd "$@"; else "$@"; fi; }
[ -n "$box" ] || command -v ovs-vsctl >/dev/null || exit 3
"""


def _tool(command: str) -> Command:
    return Command(("sh", "-c", f"{_TOOLS}ovs {command}"))


def _text(reading: Reading) -> str:
    if reading.absent or reading.status != 0:
        raise ValueError(reading.error.strip() or f"exit status {reading.status}")
    return reading.text


@dataclass(frozen=True)
class SwitchAnswer:
    """Whether Open vSwitch answers on a host that has it: its database, and the daemon that forwards."""

    database: bool = True
    daemon: bool = True
    error: str = ""


def _answer(r: Mapping[str, Reading]) -> SwitchAnswer | None:
    database, daemon = r["database"], r["daemon"]
    if r["driven"].status != 0 or database.status == _NOT_HERE:
        return None
    told = [
        ("no answer in time" if one.late else one.error.strip()) for one in (database, daemon) if one.late or one.status
    ]
    return SwitchAnswer(
        not (database.late or database.status), not (daemon.late or daemon.status), "; ".join(told)[:300]
    )


host_fact(
    SwitchAnswer,
    _answer,
    patient=True,
    driven=_DRIVEN,
    database=_tool("ovs-vsctl --timeout=4 --no-wait list-br"),
    daemon=_tool("ovs-appctl --timeout=4 version"),
)


def _switch(r: Mapping[str, Reading]) -> Switch | None:
    if r["driven"].status != 0 or r["tables"].status == _NOT_HERE:
        return None
    return parse_database(_text(r["tables"]))


host_fact(
    Switch,
    _switch,
    driven=_DRIVEN,
    tables=_tool(
        "ovs-vsctl --timeout=5 --no-wait --format=json "
        "list Bridge -- list Port -- list Interface -- list Mirror -- list Open_vSwitch"
    ),
)


@dataclass(frozen=True)
class SwitchUse:
    """What of a switch's limits is used: learned addresses by bridge as (now, most), flows as (now, limit), packets lost on
    their way to the daemon since it started as (lost, all)."""

    addresses: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    flows: tuple[int, int] | None = None
    lost: tuple[int, int] | None = None

    @staticmethod
    def parse(text: str) -> SwitchUse:
        """Blocks of ``== NAME``: the statistics of each bridge's table, ``upcall/show`` and ``dpctl/show``."""
        blocks = dict(re.findall(r"^== (\S+)\n(.*?)(?=^== |\Z)", text, re.M | re.S))
        addresses: dict[str, tuple[int, int]] = {}
        for name, block in blocks.items():
            now = re.search(r"Current/maximum MAC entries in the table:\s*(\d+)/(\d+)", block)
            if now:
                addresses[name] = (int(now[1]), int(now[2]))
        flows = re.search(r"flows\s*:\s*\(current (\d+)\).*?\(limit (\d+)\)", blocks.get("upcall", ""), re.S)
        packets = re.search(r"lookups:\s*hit:(\d+)\s+missed:(\d+)\s+lost:(\d+)", blocks.get("dpctl", ""))
        return SwitchUse(
            addresses,
            (int(flows[1]), int(flows[2])) if flows else None,
            (int(packets[3]), int(packets[2])) if packets else None,
        )


_USE = f"""
pgrep -x ovs-vswitchd >/dev/null || exit 3
{_TOOLS}
for b in $(ovs ovs-vsctl --timeout=3 list-br); do
  echo "== $b"; ovs ovs-appctl --timeout=3 fdb/stats-show "$b" 2>/dev/null
done
echo "== upcall"; ovs ovs-appctl --timeout=3 upcall/show 2>/dev/null
echo "== dpctl"; ovs ovs-appctl --timeout=3 dpctl/show 2>/dev/null
:
"""
host_fact(
    SwitchUse,
    lambda r: None if r["use"].status == _NOT_HERE else SwitchUse.parse(_text(r["use"])),
    use=Command(("sh", "-c", _USE)),
)


@dataclass(frozen=True)
class OvnRaft:
    """The databases of OVN on a host, by name (northbound, southbound): role, status, members, and entries not yet applied."""

    databases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    northd: str = ""

    @staticmethod
    def parse(text: str) -> OvnRaft:
        """Blocks of ``== NAME`` with what ``cluster/status`` says, and ``== northd`` with its status."""
        blocks = dict(re.findall(r"^== (\S+)\n(.*?)(?=^== |\Z)", text, re.M | re.S))
        northd = re.search(r"^Status: (\w+)", blocks.pop("northd", ""), re.M)
        found: dict[str, Mapping[str, str]] = {}
        for name, block in blocks.items():
            told = dict(
                re.findall(r"^(Role|Status|Leader|Term|Entries not yet applied|Cluster ID): *(.*)$", block, re.M)
            )
            if told:
                servers = re.search(r"^Servers:\n((?:    .*\n?)*)", block, re.M)
                told["Servers"] = str(len(servers[1].splitlines())) if servers else "0"
                found[name] = told
        return OvnRaft(found, northd[1] if northd else "")


_RAFT = r"""
for c in docker podman; do command -v $c >/dev/null && $c ps -q >/dev/null 2>&1 && box=$c && break; done
in_() { w=$1; shift; if [ -n "$box" ] && $box inspect "$w" >/dev/null 2>&1; then $box exec "$w" "$@"; else "$@"; fi; }
{ pgrep -x ovn-northd; pgrep -a -x ovsdb-server | grep -E 'ovn(nb|sb)'; } | grep -q . || exit 3
for d in nb sb; do
  name=OVN_Northbound; [ $d = sb ] && name=OVN_Southbound
  for ctl in /var/run/ovn/ovn${d}_db.ctl /run/ovn/ovn${d}_db.ctl; do
    out=$(in_ ovn_${d}_db ovs-appctl --timeout=4 -t $ctl cluster/status $name 2>/dev/null) &&
      { echo "== $d"; echo "$out"; break; }
  done
done
echo "== northd"; in_ ovn_northd ovn-appctl --timeout=4 -t ovn-northd status 2>/dev/null
:
"""
host_fact(
    OvnRaft,
    lambda r: None if r["raft"].status == _NOT_HERE else OvnRaft.parse(_text(r["raft"])),
    raft=Command(("sh", "-c", _RAFT), 12.0),
)


@dataclass(frozen=True)
class OvnController:
    """Whether the controller of a host is connected to the southbound database, in its own words."""

    status: str = "connected"


_CONTROLLER = r"""
pgrep -x ovn-controller >/dev/null || exit 3
for c in docker podman; do command -v $c >/dev/null && $c inspect ovn_controller >/dev/null 2>&1 && box=$c && break; done
${box:+$box exec ovn_controller} ovn-appctl --timeout=4 -t ovn-controller connection-status
"""
host_fact(
    OvnController,
    lambda r: None if r["status"].status == _NOT_HERE else OvnController(_text(r["status"]).strip()),
    status=Command(("sh", "-c", _CONTROLLER)),
)


@dataclass(frozen=True)
class OvnChassis:
    """A row of Chassis in the southbound database, with the numbers of the configuration that it has carried out."""

    name: str
    host: str
    lag: int = 0


@dataclass(frozen=True)
class OvnSouth:
    """What the southbound database has, read on a host where its leader is: chassis, and gateway ports that nobody has."""

    chassis: tuple[OvnChassis, ...] = ()
    homeless: tuple[str, ...] = ()

    @staticmethod
    def parse(text: str) -> OvnSouth:
        """Tables of ``ovn-sbctl --format=json list``: SB_Global, Chassis, Chassis_Private, Port_Binding."""
        decoder, rest, tables = json.JSONDecoder(), text.strip(), []
        while rest:
            table, end = decoder.raw_decode(rest)
            tables.append([dict(zip(table["headings"], row, strict=True)) for row in table["data"]])
            rest = rest[end:].strip()
        if len(tables) != 4:
            raise ValueError(f"{len(tables)} tables instead of 4")
        overall, chassis, private, ports = tables
        wanted = max((int(g["nb_cfg"]) for g in overall), default=0)
        done = {p["name"]: int(p["nb_cfg"]) for p in private}
        return OvnSouth(
            tuple(OvnChassis(c["name"], c["hostname"], wanted - done.get(c["name"], wanted)) for c in chassis),
            tuple(
                sorted(
                    p["logical_port"] for p in ports if p["type"] == "chassisredirect" and p["chassis"] == ["set", []]
                )
            ),
        )


_SOUTH = r"""
pgrep -a -x ovsdb-server | grep -q ovnsb || exit 3
for c in docker podman; do command -v $c >/dev/null && $c inspect ovn_sb_db >/dev/null 2>&1 && box=$c && break; done
run() { ${box:+$box exec ovn_sb_db} ovn-sbctl --timeout=5 --leader-only --format=json "$@"; }
run --columns=nb_cfg list SB_Global -- --columns=name,hostname list Chassis -- --columns=name,nb_cfg list Chassis_Private \
  -- --columns=logical_port,type,chassis list Port_Binding 2>/dev/null || exit 3
"""
host_fact(
    OvnSouth,
    # A follower has nothing to tell that its leader does not.
    lambda r: None if r["tables"].status == _NOT_HERE else OvnSouth.parse(_text(r["tables"])),
    tables=Command(("sh", "-c", _SOUTH), 8.0),
)

"""iptables and ebtables on the compute host: the DHCP packet is followed through the rules as the kernel would."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause, Direction, Finding
from blue_wizard.diagnose.rulebook import about, rule
from blue_wizard.facts.iptables import Fate, Packet, Rule, Tables, follow
from blue_wizard.text import _

__all__ = ["bridge_filter", "forward", "reply", "request", "switched_off"]

_PASSED = (("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "FORWARD"), ("filter", "FORWARD"),
           ("mangle", "POSTROUTING"))  # fmt: skip
_NEUTRON = ("neutron-", "sg-")


def request(case: Case) -> Packet:
    """The DHCPDISCOVER, or the packet for the aim, bridged from tap to qvb."""
    path = case.path
    bridge = path.bridge
    if aim := path.aim:
        return Packet(path.address, aim.address, 40000, aim.number, bridge, bridge, path.tap, path.bridge_out, path.mac,
                      protocol=aim.protocol)  # fmt: skip
    return Packet("0.0.0.0", "255.255.255.255", 68, 67, bridge, bridge, path.tap, path.bridge_out, path.mac)  # noqa: S104


def reply(case: Case) -> Packet:
    """The DHCPOFFER, or the aim's answer, bridged from qvb to tap."""
    path = case.path
    bridge = path.bridge
    mac = str(path.far_port["mac_address"]) if path.far_port else ""
    if aim := path.aim:
        return Packet(aim.address, path.address, aim.number, 40000, bridge, bridge, path.bridge_out, path.tap, mac,
                      "ESTABLISHED", aim.protocol)  # fmt: skip
    return Packet(
        path.far_address or "192.0.2.1", path.address or "255.255.255.255", 67, 68,
        bridge, bridge, path.bridge_out, path.tap, mac,
    )  # fmt: skip


@rule
def forward(case: Case) -> Iterable[Cause | Finding]:
    """Bridged packets meet iptables only while bridge-nf-call-iptables is on (Linux br_netfilter)."""
    tables = case.compute.host.tables
    if (
        not case.path.filtered
        or tables is None
        or _calls_iptables(case) is False
        or (case.path.aim and not case.path.address)
    ):
        return
    for packet, direction in ((request(case), Direction.REQUEST), (reply(case), Direction.REPLY)):
        for table, chain in _PASSED:
            fate = follow(tables, table, chain, packet)
            # Sets of addresses stand for security groups: whether one has the address is not known here.
            if not fate.accepted and not (case.path.aim and any("--match-set" in d for d in fate.doubt)):
                yield _dropped(case, fate, direction)
                break


def _calls_iptables(case: Case) -> bool | None:
    value = case.compute.host.proc("net/bridge/bridge-nf-call-iptables")
    # Without br_netfilter there is no such setting, and no such call.
    return value == "1" if value else False


def _dropped(case: Case, fate: Fate, direction: Direction) -> Cause:
    path, host = case.path, case.compute.host
    short = path.id[:10]
    asked = direction is Direction.REQUEST
    # What PREROUTING drops, the bridge's own device does not see either.
    at, behind = ("compute-brq", case.hops[3]) if path.linuxbridge else ("qbr", "qvb")
    lost = at if fate.path[:1] == ("PREROUTING",) else behind if asked else "tap"
    evidence = [f"[{fate.rule.packets} packets] {fate.rule.text}"] if fate.rule else [f":{fate.chain} DROP"]
    evidence.append(" -> ".join(fate.path))
    if fate.rule is None:
        code, thing = "iptables.forward-drop", fate.chain
        text = _(
            "Chain {chain} on {host} drops what no rule accepts, and nothing there leads to Neutron's rules."
        ).format(chain=fate.chain, host=host.name)
        remedy = _(
            "Something else (docker, firewalld) set the policy. Restart the Open vSwitch agent, or on {host}: "
            "iptables -I FORWARD -m physdev --physdev-is-bridged -j ACCEPT"
        ).format(host=host.name)
    elif fate.chain.startswith(_NEUTRON) or "-sg-fallback" in fate.chain or fate.chain.endswith(short):
        code = "sg.not-applied" if path.aim else "iptables.dhcp-request-rule" if asked else "iptables.dhcp-reply-rule"
        thing = _own_chain(host.tables or {}, "o" if asked else "i", short)
        text = (
            _("The security group's rules in chain {chain} on {host} drop the packet.")
            if path.aim
            else _("The rule that lets DHCP requests out is missing in chain {chain} on {host}.")
            if asked
            else _("The rule that lets DHCP replies in is missing in chain {chain} on {host}.")
        ).format(chain=thing, host=host.name)
        remedy = remedies.restart_l2_agent(host.name)
        if _is_foreign(fate.rule):
            code, thing = "iptables.foreign-drop", fate.chain
            text, remedy = _foreign(fate, host.name)
    else:
        code, thing = "iptables.foreign-drop", fate.chain
        text, remedy = _foreign(fate, host.name)
    return Cause(code, at, host.name, thing, text, remedy, tuple(evidence), direction, lost)


def _is_foreign(found: Rule) -> bool:
    """Neutron's own drops carry its comments; one without, naming ports or addresses, was put there by somebody else."""
    return not found.comment and len(found.words) > 2


def _foreign(fate: Fate, host: str) -> tuple[str, str]:
    text = _("A rule that is none of Neutron's drops the packet in chain {chain} on {host}.").format(
        chain=fate.chain, host=host
    )
    rule_text = fate.rule.text.replace("-A", "-D", 1) if fate.rule else ""
    return text, _("Find out who made it. To remove it, on {host}: iptables {rule}").format(host=host, rule=rule_text)


def _own_chain(tables: Tables, letter: str, short: str) -> str:
    names = tables.get("filter", {})
    return next(
        (n for n in names if n.startswith("neutron-") and n.endswith(f"-{letter}{short}")),
        f"neutron-openvswi-{letter}{short}",
    )


@rule
def switched_off(case: Case) -> Iterable[Finding]:
    """Without the call to iptables, or without the jump to its chains, security groups do nothing; packets pass."""
    if not case.path.filtered or not case.compute.host.reached:
        return
    host, tables = case.compute.host, case.compute.host.tables
    if host.root and _calls_iptables(case) is False:
        yield Finding(
            "security.bridge-nf-off",
            host.name,
            "net.bridge.bridge-nf-call-iptables",
            _("Bridged packets do not meet iptables on {host}: security groups are not enforced there.").format(
                host=host.name
            ),
            _(
                "On {host}: modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1 (and in /etc/sysctl.d)."
            ).format(host=host.name),
            (f"net.bridge.bridge-nf-call-iptables={host.proc('net/bridge/bridge-nf-call-iptables') or '-'}",),
        )
    elif tables is not None and case.path.port.get("port_security_enabled", True):
        fate = follow(tables, "filter", "FORWARD", request(case))
        if fate.accepted and not any(c.endswith(f"-o{case.path.id[:10]}") for c in fate.path):
            yield Finding(
                "security.filter-bypassed",
                host.name,
                _own_chain(tables, "o", case.path.id[:10]),
                _("The server's packets on {host} do not pass its security group's chain.").format(host=host.name),
                remedies.restart_l2_agent(host.name),
                (" -> ".join(fate.path),),
            )


@about("")
def bridge_filter(case: Case) -> Iterable[Cause]:
    """ebtables' FORWARD chain on the Linux bridge (Neutron's Open vSwitch driver has no rules there)."""
    tables, path, host = case.compute.host.ebtables, case.path, case.compute.host
    if not path.hybrid or not tables:
        return
    ways = (
        (Direction.REQUEST, path.tap, path.device("qvb"), path.mac, 67),
        (Direction.REPLY, path.device("qvb"), path.tap, "", 68),
    )
    for direction, came, leaves, mac, port in ways:
        for table, chain in (
            ("broute", "BROUTING"),
            ("nat", "PREROUTING"),
            ("filter", "FORWARD"),
            ("nat", "POSTROUTING"),
        ):
            found = tables.get(table, {}).get(chain)
            if found is None:
                continue
            hit = next(
                (
                    r
                    for r in found.rules
                    if r.target == "DROP" and _frame(r, came, leaves, mac, port, path.device("qbr"))
                ),
                None,
            )
            if hit or found.policy == "DROP":
                yield Cause(
                    "iptables.foreign-drop",
                    "qbr",
                    host.name,
                    f"ebtables {chain}",
                    _("ebtables on {host} drops the packet in chain {chain}.").format(host=host.name, chain=chain),
                    _("Find out who made the rule. To remove it, on {host}: ebtables -t {table} -D {chain} ...").format(
                        host=host.name, table=table, chain=chain
                    ),
                    (hit.text if hit else f":{chain} DROP",),
                    direction,
                    "qbr"
                    if "ROUTING" in chain and chain != "POSTROUTING"
                    else "qvb"
                    if direction is Direction.REQUEST
                    else "tap",
                )
                break


def _frame(found: Rule, came: str, leaves: str, mac: str, port: int, bridge: str) -> bool:
    """Whether a frame of the DHCP packet meets an ebtables rule; what is not known here counts as no."""
    words = iter(found.words)
    known = {"-i": {came}, "--in-if": {came}, "-o": {leaves}, "--out-if": {leaves}, "--logical-in": {bridge},
             "--logical-out": {bridge}, "-p": {"IPv4", "ipv4", "0x0800", "0800", "0x800"}, "--ip-proto": {"udp", "17"},
             "--ip-protocol": {"udp", "17"}, "--ip-dport": {str(port)}, "--ip-destination-port": {str(port)},
             "-s": {mac}, "-d": {"ff:ff:ff:ff:ff:ff", "Broadcast"}}  # fmt: skip
    for word in words:
        if word == "-j":
            return True
        if word == "--ip-sport":
            if next(words, "") != str(135 - port):
                return False
        elif word not in known or next(words, "").lower() not in {v.lower() for v in known[word]}:
            return False
    return False

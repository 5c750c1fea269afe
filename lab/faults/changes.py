"""The kinds of change that faults are made of. Each reads the present state, so that its undoing restores just that."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace

from lab.faults import Change
from lab.faults.target import Target
from lab.hosts import log_of
from lab.run import LabError
from lab.site import HOSTS

VSCTL = "ovs-vsctl --timeout=20"
OFCTL = "ovs-ofctl -O OpenFlow13"
_FLOW = re.compile(
    r"^ *(?:cookie=(?P<cookie>0x[0-9a-f]+), )?(?:table=(?P<table>\d+), )?(?P<timeout>(?:(?:hard|idle)_timeout=\d+, )*)"
    r"(?:(?P<reset>reset_counts) )?(?P<match>priority=\S+) actions=(?P<actions>.*)$"
)


@dataclass(frozen=True)
class Flow:
    """One OpenFlow rule as `ovs-ofctl --no-stats dump-flows` prints it. `match` begins with the priority."""

    cookie: str
    table: int
    match: str
    actions: str
    reset_counts: bool = False
    learned: bool = False

    @property
    def key(self) -> str:
        """What `--strict del-flows` needs to mean this rule and no other."""
        return f"table={self.table},{self.match}"

    @property
    def text(self) -> str:
        """What `add-flow` needs to make the rule as it was."""
        reset = "reset_counts," if self.reset_counts else ""
        return f"cookie={self.cookie},{reset}table={self.table},{self.match} actions={self.actions}"


def parse_flows(text: str) -> list[Flow]:
    """The rules of a dump without statistics. Raises ValueError for a line that is not understood."""
    found = []
    for line in text.splitlines():
        if not line.strip() or "_FLOW reply" in line:
            continue
        m = _FLOW.match(line)
        if not m:
            raise ValueError(f"not a flow: {line}")
        found.append(
            Flow(
                m["cookie"] or "0x0",
                int(m["table"] or 0),
                m["match"],
                m["actions"],
                bool(m["reset"]),
                bool(m["timeout"]),
            )
        )
    return found


def flows(t: Target, host: str, bridge: str, match: str = "", where: str = "") -> list[Flow]:
    """The rules of a bridge that `match` selects (as ovs-ofctl does) and whose text has the pattern `where`; not those learned."""
    dump = t.sh(host, f"{OFCTL} --no-stats dump-flows {bridge} {shlex.quote(match)}")
    return [f for f in parse_flows(dump) if not f.learned and re.search(where, f.text)]


def _add(bridge: str, rules: list[Flow]) -> str:
    lines = "\n".join(f.text for f in rules)
    return f"{OFCTL} add-flows {bridge} - <<'FLOWS'\n{lines}\nFLOWS"


def flows_gone(t: Target, host: str, bridge: str, match: str = "", where: str = "") -> Change:
    """Rules are deleted. Raises LabError when there are none such."""
    rules = flows(t, host, bridge, match, where)
    if not rules:
        raise LabError(f"{host}: {bridge} has no flow {match} {where}")
    whole = not match and not where
    gone = [f"{OFCTL} del-flows {bridge}"] if whole else [
        f"{OFCTL} --strict del-flows {bridge} {shlex.quote(f.key)}" for f in rules
    ]  # fmt: skip
    return Change(host, "\n".join(gone), _add(bridge, rules))


def flows_changed(
    t: Target, host: str, bridge: str, match: str, change: Callable[[str], str], where: str = ""
) -> Change:
    """The actions of rules become `change(actions)`. Raises LabError when nothing would change."""
    rules = flows(t, host, bridge, match, where)
    new = [replace(f, actions=change(f.actions)) for f in rules]
    if not rules or new == rules:
        raise LabError(f"{host}: {bridge} has no flow {match} {where} to change")
    return Change(host, _add(bridge, new), _add(bridge, rules))


def flow_added(host: str, bridge: str, key: str, actions: str = "drop") -> Change:
    """A rule that does not belong there; `key` has table, priority and match."""
    return Change(
        host,
        f"{OFCTL} add-flow {bridge} {shlex.quote(f'{key} actions={actions}')}",
        f"{OFCTL} --strict del-flows {bridge} {shlex.quote(key)}",
    )


def column(t: Target, host: str, table: str, record: str, **values: str) -> Change:
    """Columns of a row of the switch's database get other values (in its own syntax; `[]` clears)."""
    old = {c: t.sh(host, f"{VSCTL} get {table} {record} {c}").strip() for c in values}

    def put(what: dict[str, str]) -> str:
        return f"{VSCTL} set {table} {record} " + " ".join(shlex.quote(f"{c}={v}") for c, v in what.items())

    return Change(host, put(values), put(old))


def option(t: Target, host: str, interface: str, key: str, value: str) -> Change:
    """One option of an interface gets another value; the others stay."""
    old = t.sh(host, f"{VSCTL} get Interface {interface} options").strip()
    do = f"{VSCTL} set Interface {interface} {shlex.quote(f'options:{key}={value}')}"
    return Change(host, do, f"{VSCTL} set Interface {interface} {shlex.quote(f'options={old}')}")


def port_gone(t: Target, host: str, bridge: str, port: str) -> Change:
    """A port leaves its bridge; it comes back with the same settings and the same OpenFlow number."""
    read = f"{VSCTL} get"
    settings = {
        c: t.sh(host, f"{read} Port {port} {c}").strip() for c in ("tag", "trunks", "vlan_mode", "other_config")
    }
    device = {c: t.sh(host, f"{read} Interface {port} {c}").strip() for c in ("type", "options", "external_ids")}
    number = t.ofport(host, port)
    port_set = " ".join(shlex.quote(f"{c}={v}") for c, v in settings.items())
    device_set = " ".join(shlex.quote(f"{c}={v}") for c, v in device.items())
    undo = (
        f"{VSCTL} --may-exist add-port {bridge} {port} -- set Port {port} {port_set}"
        f" -- set Interface {port} {device_set} ofport_request={number}\n"
        f"{VSCTL} set Interface {port} 'ofport_request=[]'"
    )
    return Change(host, f"{VSCTL} del-port {bridge} {port}", undo)


def renumbered(t: Target, host: str, interface: str) -> Change:
    """An interface gets another OpenFlow number, and every rule that names the old one is stale."""
    number = t.ofport(host, interface)
    put = f"{VSCTL} set Interface {interface} "
    return Change(
        host,
        f"{put}ofport_request={number + 70}",
        f"{put}ofport_request={number}\n{put}'ofport_request=[]'",
    )


def port_flag(host: str, bridge: str, port: str, flag: str, back: str) -> Change:
    """A flag of a port as OpenFlow has it: `no-forward` and its opposite `forward`, and so on."""
    # Later versions of OpenFlow than 1.0 do not know whether a port takes part in floods.
    return Change(host, f"ovs-ofctl mod-port {bridge} {port} {flag}", f"ovs-ofctl mod-port {bridge} {port} {back}")


def link_down(t: Target, host: str, device: str, netns: str = "") -> Change:
    """A link is set down. Raises LabError when it isn't up."""
    ip = f"ip -n {netns}" if netns else "ip"
    if "UP" not in re.split(r"[<>,]", t.sh(host, f"{ip} -o link show {device}")):
        raise LabError(f"{host}: {device} is down already")
    back = [f"{ip} link set {device} up", *_routes(t, host, ip, device)]
    return Change(host, f"{ip} link set {device} down", "\n".join(back))


def _routes(t: Target, host: str, ip: str, device: str) -> list[str]:
    """Commands that make the routes over a device again: they go with its address, and when it goes down."""
    routes = t.sh(host, f"{ip} -4 route show dev {device}").splitlines()
    return [f"{ip} route replace {r.strip()} dev {device}" for r in routes if "proto kernel" not in r and r.strip()]


def mtu(t: Target, host: str, device: str, size: int, *also: str) -> Change:
    """A link's MTU. `also`: devices whose MTU follows by itself, put back as well."""
    old = {d: t.sh(host, f"cat /sys/class/net/{d}/mtu").strip() for d in (device, *also)}
    undo = "\n".join(f"ip link set {d} mtu {m}" for d, m in old.items())
    return Change(host, f"ip link set {device} mtu {size}", undo)


def out_of_bridge(t: Target, host: str, device: str) -> Change:
    """A link leaves its Linux bridge."""
    master = t.sh(host, f"basename $(readlink /sys/class/net/{device}/master)").strip()
    return Change(host, f"ip link set {device} nomaster", f"ip link set {device} master {master}")


def address_gone(t: Target, host: str, device: str, address: str, netns: str = "") -> Change:
    """An IPv4 address leaves its link; `address` is a pattern."""
    ip = f"ip -n {netns}" if netns else "ip"
    found = re.findall(r"inet (\S+)(?: brd (\S+))?", t.sh(host, f"{ip} -4 -o address show dev {device}"))
    hit = [(a, b) for a, b in found if re.match(address, a)]
    if not hit:
        raise LabError(f"{host}: {device} has no address {address}")
    do = "\n".join(f"{ip} address del {a} dev {device}" for a, _ in hit)
    undo = [f"{ip} address replace {a} {f'brd {b}' if b else ''} dev {device}" for a, b in hit]
    return Change(host, do, "\n".join([*undo, *_routes(t, host, ip, device)]))


def rules_gone(t: Target, host: str, chain: str, where: str, *, table: str = "filter", netns: str = "") -> Change:
    """Rules of an iptables chain that have the pattern `where` are deleted; each comes back to its place."""
    ipt = f"{f'ip netns exec {netns} ' if netns else ''}iptables -w 10 -t {table}"
    lines = [x for x in t.sh(host, f"{ipt} -S {chain}").splitlines() if x.startswith("-A ")]
    hit = [(n, x.removeprefix(f"-A {chain} ")) for n, x in enumerate(lines, 1) if re.search(where, x)]
    if not hit:
        raise LabError(f"{host}: {chain} has no rule {where}")
    do = "\n".join(f"{ipt} -D {chain} {n}" for n, _ in reversed(hit))
    undo = "\n".join(f"{ipt} -C {chain} {spec} 2>/dev/null || {ipt} -I {chain} {n} {spec}" for n, spec in hit)
    return Change(host, do, undo)


def rule_added(
    host: str, chain: str, spec: str, *, table: str = "filter", netns: str = "", tool: str = "iptables -w 10"
) -> Change:
    """A rule that does not belong there comes first in a chain."""
    base = f"{f'ip netns exec {netns} ' if netns else ''}{tool} -t {table}"
    if tool.startswith("ebtables"):
        # It has no question whether a rule is there.
        return Change(host, f"{base} -I {chain} {spec}", f"{base} -D {chain} {spec} 2>/dev/null || true")
    undo = f"while {base} -C {chain} {spec} 2>/dev/null; do {base} -D {chain} {spec}; done"
    return Change(host, f"{base} -I {chain} 1 {spec}", undo)


def policy(t: Target, host: str, chain: str, new: str) -> Change:
    """The policy of a built-in chain."""
    old = t.sh(host, f"iptables -w 10 -S {chain}").splitlines()[0].split()[-1]
    return Change(host, f"iptables -w 10 -P {chain} {new}", f"iptables -w 10 -P {chain} {old}")


def sysctl(t: Target, host: str, name: str, value: str) -> Change:
    """A kernel setting."""
    old = t.sh(host, f"sysctl -n {name}").strip()
    return Change(host, f"sysctl -qw {name}={value}", f"sysctl -qw {name}={old}")


# Classic BPF of "IPv4, UDP, this destination port": dropped (2), otherwise the next filter is asked (-1).
_DROP_UDP = (
    "11,40 0 0 12,21 0 8 2048,48 0 0 23,21 0 6 17,40 0 0 20,69 4 0 8191,177 0 0 14,72 0 0 16,"
    "21 0 1 {port},6 0 0 2,6 0 0 4294967295,"
)


def drop_udp(t: Target, place: str, device: str, way: str, port: int, netns: str = "") -> Change:
    """A tc filter that drops UDP to a port; `way` is ingress or egress. Raises LabError for a device that has filters."""
    tc = f"tc -n {netns}" if netns else "tc"
    if "clsact" in t.sh(place, f"{tc} qdisc show dev {device}"):
        raise LabError(f"{place}: {device} has a clsact qdisc of somebody's")
    code = _DROP_UDP.format(port=port)
    do = (
        f"{tc} qdisc add dev {device} clsact\n"
        f"{tc} filter add dev {device} {way} protocol all prio 1 bpf direct-action bytecode '{code}'"
    )
    return Change(place, do, f"{tc} qdisc del dev {device} clsact 2>/dev/null || true")


def drop_tagged(place: str, device: str) -> Change:
    """A tc filter that drops every frame with a VLAN tag on its way out of a device."""
    do = (
        f"tc qdisc add dev {device} clsact\n"
        f"tc filter add dev {device} egress protocol 802.1Q prio 1 bpf direct-action bytecode '1,6 0 0 2,'"
    )
    return Change(place, do, f"tc qdisc del dev {device} clsact 2>/dev/null || true")


def stopped(host: str, daemon: str) -> Change:
    """A daemon of the lab is stopped where it stands (SIGSTOP): it lives, and does nothing."""
    pid = f"$(cat /run/lab/{daemon}.pid)"
    return Change(host, f"kill -STOP {pid}", f"kill -CONT {pid}")


def held(host: str) -> Change:
    """The host's Open vSwitch agent, which would mend the fault, is stopped.

    It is healed once the agent has looked at everything again: after its connections were lost it takes all ports for new ones.
    """
    agent = stopped(host, "neutron-ovs")
    log, mark = log_of(HOSTS[host], "neutron-ovs"), "/run/lab/neutron-ovs.held"
    # Whoever starts the agent anew in place of letting it go leaves no mark.
    rounds = f"tail -c +$(cat {mark} 2>/dev/null || echo 1) {log} | grep -ac 'rpc_loop - iteration:[0-9]* completed'"
    alone = f"{VSCTL} --columns=is_connected --no-headings --format=csv list Controller | grep -q false"
    return replace(
        agent,
        undo=f"echo $(($(stat -c %s {log}) + 1)) > {mark}\n{agent.undo}",
        # The first round may have begun before it was stopped, the second finds what is to be done, and the third does it.
        healed=f"test $({rounds}) -ge 3 && ! {alone}",
    )


def dnsmasq(t: Target, do: Callable[[str, list[str]], str], also: str = "") -> Change:
    """The network's dnsmasq is killed, or worse, and started again with what it had.

    `do` makes the script from the PID file and the argv. `also`: a word by which the undoing knows the wrong one.
    """
    file = f"{t.dhcp_folder}/pid"
    argv = [a for a in t.sh(t.net, f"tr '\\0' '\\n' < /proc/$(cat {file})/cmdline").splitlines() if a]
    start = f"ip netns exec {t.namespace} {shlex.join(argv)}"
    wrong = f"grep -qa -- {shlex.quote(also)} /proc/$p/cmdline && kill $p && sleep 0.5\n" if also else ""
    undo = f"p=$(cat {file} 2>/dev/null || echo 0)\n{wrong}grep -qa dnsmasq /proc/$p/cmdline 2>/dev/null || {start}"
    return Change(t.net, do(file, argv), undo)


def file_changed(t: Target, host: str, path: str, script: str, after: str = "") -> Change:
    """A file is changed by a script; its old content is kept. `after` is run each time, to make it known."""
    # In place: who has the file open, or mounted, must see it.
    content = base64.b64encode(t.sh(host, f"cat {path}").encode()).decode()
    return Change(host, f"{script}\n{after}", f"echo {content} | base64 -d > {path}\n{after}")


def calls(*steps: tuple[str, str, list[object], dict[str, object]]) -> str:
    """Calls of openstacksdk as a Change of the place `api` has them."""
    return json.dumps(steps)


def api(
    do: tuple[str, str, list[object], dict[str, object]],
    undo: tuple[str, str, list[object], dict[str, object]],
    *,
    host: str = "",
    settled: str = "",
    healed: str = "",
) -> Change:
    """One call and its opposite; `settled` and `healed` are asked of `host`."""
    return Change("api", calls(do), calls(undo), settled, healed, host)

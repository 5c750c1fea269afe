"""Look at all hosts of the paths at once, one round trip for each. Reads only."""

from __future__ import annotations

import base64
import binascii
import json
import time
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from blue_wizard.diagnose import agent
from blue_wizard.diagnose.bundle import Api, Bundle, HostAnswer
from blue_wizard.diagnose.expected import Path, paths
from blue_wizard.errors import BlueWizardError
from blue_wizard.reach import ssh
from blue_wizard.reach.faults import CommandFailed, Fault, NotReached
from blue_wizard.reach.together import Late, together
from blue_wizard.text import _

__all__ = ["collect", "count", "decode", "questions"]

_TIMEOUT_S = 30.0
_ALL_S = 35.0

# RHEL 8 has no other Python than its platform's.
_PYTHON = (
    "sh",
    "-c",
    'for p in python3 /usr/libexec/platform-python; do command -v "$p" >/dev/null && exec "$p" - "$1"; done; exit 127',
    "blue-wizard",
)

OpenHost = Callable[[str], ssh.Host]


def questions(api: Api) -> dict[str, dict[str, Any]]:
    """What each host is asked (see `agent/look.py`), by the host's name."""
    asked: dict[str, dict[str, Any]] = {}

    def of(host: str) -> dict[str, Any]:
        return asked.setdefault(
            host, {"traces": {}, "devices": [], "remotes": [], "dhcp": [], "outer": {}, "spaces": {}, "ovn": {}}
        )

    for port in api.ports:
        for path in paths(api, port):
            if not path.supported:
                continue
            if path.compute:
                _compute(of(path.compute), path, api)
            if path.network_host and path.far_port is not None:
                _network(of(path.network_host), path)
    return asked


def _udp(source_mac: str, mac: str, source: str, address: str, ports: tuple[int, int]) -> str:
    return (
        f"udp,dl_src={source_mac},dl_dst={mac},nw_src={source},nw_dst={address},nw_ttl=64,"
        f"udp_src={ports[0]},udp_dst={ports[1]}"
    )


def _to(path: Path, *, back: bool) -> str:
    """A packet from the server to the aim, or its answer."""
    aim = path.aim
    assert aim is not None
    far = path.far_port["mac_address"] if path.far_port else "02:00:00:00:00:01"
    ends = [(path.mac, path.address or "192.0.2.2", 40000), (far, aim.address, aim.number)]
    (source_mac, source, sport), (mac, target, dport) = reversed(ends) if back else ends
    head = f"dl_src={source_mac},dl_dst={mac},nw_src={source},nw_dst={target},nw_ttl=64"
    if aim.protocol == "icmp":
        return f"icmp,{head},icmp_type={0 if back else 8},icmp_code=0"
    return f"{aim.protocol},{head},{aim.protocol}_src={sport},{aim.protocol}_dst={dport}"


def arp_flow(path: Path) -> str:
    """The question for the MAC of the far port's address."""
    return (
        f"arp,dl_src={path.mac},dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,arp_spa={path.address or '192.0.2.2'},"
        f"arp_tpa={path.far_address or '192.0.2.1'},arp_sha={path.mac},arp_tha=00:00:00:00:00:00"
    )


def request_flow(path: Path) -> str:
    """A DHCPDISCOVER of the port, or a packet for the aim, as ofproto/trace takes it."""
    if path.aim is not None:
        return _to(path, back=False)
    return _udp(path.mac, "ff:ff:ff:ff:ff:ff", "0.0.0.0", "255.255.255.255", (68, 67))  # noqa: S104


def reply_flow(path: Path) -> str:
    """The DHCPOFFER to the port, which is unicast where no broadcast was asked for (RFC 2131, 4.1); or the aim's answer."""
    if path.aim is not None:
        return _to(path, back=True)
    dhcp_mac = path.far_port["mac_address"] if path.far_port else "02:00:00:00:00:01"
    return _udp(dhcp_mac, path.mac, path.far_address or "192.0.2.1", path.address or "192.0.2.2", (67, 68))


def _from_outside(path: Path, remote: str, local: str, bridge: str, flow: str) -> dict[str, Any]:
    """The question what becomes of a packet that comes from the other host."""
    if path.tunnelled:
        key = f"tun_id={path.segment},tun_src={remote},tun_dst={local},"
        return {"from": [{"remote_ip": remote, "type": path.kind}], "flow": key + flow}
    tag = f"dl_vlan={path.segment}," if path.kind == "vlan" else ""
    return {"from": [{"bridge": bridge, "nic": True}], "flow": tag + flow}


def _compute(asked: dict[str, Any], path: Path, api: Api) -> None:
    devices = [path.tap, *(path.device(p) for p in ("qbr", "qvb", "qvo") if path.hybrid)]
    asked["devices"] = list(dict.fromkeys([*asked["devices"], *devices]))
    asked["domain"] = str(api.server.get("OS-EXT-SRV-ATTR:instance_name") or "")
    asked["traces"][f"{path.key}/compute-request"] = {
        "from": [{"iface_id": path.id}, {"name": path.switch_device}],
        "flow": request_flow(path),
    }
    if path.ovn:
        asked["ovn"][path.id] = f"{path.key}/compute-request"
    if path.far_port is None:
        return
    if path.ovn:
        asked["ovn"][path.far_port["id"]] = f"{path.key}/compute-reply"
    elif path.aim is not None:
        asked["traces"][f"{path.key}/compute-arp"] = {"from": [{"iface_id": path.id}], "flow": arp_flow(path)}
    if path.same_host:
        back: dict[str, Any] = {"from": [{"iface_id": path.far_port["id"]}], "flow": reply_flow(path)}
    else:
        local, remote = path.compute_tunnel_ip, path.network_tunnel_ip
        back = _from_outside(path, remote, local, path.compute_bridge, reply_flow(path))
        _underlay(asked, path, local, remote)
    asked["traces"][f"{path.key}/compute-reply"] = back | _answering(path)


def _network(asked: dict[str, Any], path: Path) -> None:
    assert path.far_port is not None
    if path.aim is not None:
        _beyond(asked, path)
    if path.far_hop == "dhcp-port":
        asked["dhcp"] = [q for q in asked["dhcp"] if q["network"] != path.network["id"]]
        asked["dhcp"].append({"network": path.network["id"], "device": path.far_device})
    if path.same_host:
        return
    local, remote = path.network_tunnel_ip, path.compute_tunnel_ip
    asked["traces"][f"{path.key}/network-request"] = _from_outside(
        path, remote, local, path.network_bridge, request_flow(path)
    )
    asked["traces"][f"{path.key}/network-reply"] = {
        "from": [{"iface_id": path.far_port["id"]}, {"name": path.far_device}],
        "flow": reply_flow(path),
    } | _answering(path)
    if path.aim is not None:
        asked["traces"][f"{path.key}/network-arp"] = _from_outside(
            path, remote, local, path.network_bridge, arp_flow(path)
        )
    _underlay(asked, path, local, remote)


def _answering(path: Path) -> dict[str, Any]:
    """What the firewall's connection tracking knows of an answer: that it is one."""
    return {"ct": ["trk,est,rpl"] * 2} if path.aim is not None else {}


def _beyond(asked: dict[str, Any], path: Path) -> None:
    """What is asked about behind the far port: its namespace, and how packets leave the router."""
    if path.space:
        ids = [path.router["id"] if path.router else "", path.network["id"]]
        asked["spaces"][path.space] = {"device": path.inner_device, "ids": [i for i in ids if i]}
    if path.out_port is not None and path.out_device.startswith("qg-"):
        aim = path.aim
        assert aim is not None
        flow = (
            f"icmp,dl_src={path.out_port['mac_address']},dl_dst=02:00:00:00:00:01,nw_src={_address(path.out_port)},"
            f"nw_dst={aim.address},nw_ttl=63,icmp_type=8,icmp_code=0"
        )
        asked["traces"][f"{path.key}/out"] = {"from": [{"iface_id": path.out_port["id"]}], "flow": flow}


def _address(port: dict[str, Any]) -> str:
    return next((str(ip["ip_address"]) for ip in port["fixed_ips"] if ":" not in ip["ip_address"]), "192.0.2.3")


def _underlay(asked: dict[str, Any], path: Path, local: str, remote: str) -> None:
    if path.tunnelled and local and remote:
        asked["remotes"] = sorted({*asked["remotes"], remote})
        asked["outer"][f"{local}<{remote}"] = {"local": local, "remote": remote, "type": path.kind}


def collect(api: Api, open_host: OpenHost) -> Bundle:
    """Ask every host of the paths; what one does not answer is in its place. `open_host` finds a host by Neutron's name of it."""
    began, taken = time.monotonic(), time.time()
    asked = questions(api)
    names = list(asked)
    answers = together([partial(_look, open_host, n, asked[n]) for n in names], timeout_s=_ALL_S)
    late = HostAnswer(fault=Fault.TIMEOUT, message=_("no answer in {seconds} s").format(seconds=round(_ALL_S)))
    hosts = {n: late if isinstance(a, Late) else a for n, a in zip(names, answers, strict=True)}
    return Bundle(api, hosts, taken=taken, took_s=round(time.monotonic() - began, 3))


def count(names: Iterable[str], open_host: OpenHost) -> dict[str, dict[str, Any]]:
    """What hosts have counted by now; those that answer."""
    hosts = list(dict.fromkeys(names))
    found = together([partial(_look, open_host, n, {"counters": True}) for n in hosts], timeout_s=_ALL_S)
    return {
        n: a.answers for n, a in zip(hosts, found, strict=True) if not isinstance(a, Late) and a.answers is not None
    }


def _look(open_host: OpenHost, name: str, asked: dict[str, Any]) -> HostAnswer:
    script = agent.joined(*agent.LOOK)
    try:
        result = open_host(name).run([*_PYTHON, json.dumps(asked)], stdin=script, timeout_s=_TIMEOUT_S, root=True)
    except (NotReached, CommandFailed) as e:
        return HostAnswer(fault=e.fault, message=e.message, hint=e.hint)
    except BlueWizardError as e:
        return HostAnswer(fault=Fault.UNREACHABLE, message=e.message, hint=e.hint)
    if result.status == 127:
        return HostAnswer(
            fault=Fault.STATUS,
            message=_("python3 is missing on {host}").format(host=name),
            hint=_("Install the package python3 there."),
        )
    try:
        return HostAnswer(decode(result.stdout))
    except ValueError:
        lines: Iterable[str] = (result.stderr or result.stdout).strip().splitlines()[-1:]
        return HostAnswer(
            fault=Fault.STATUS,
            message=_("{host} gave no usable answer: {error}").format(
                host=name, error=" ".join(lines) or result.status
            ),
        )


def decode(text: str) -> dict[str, Any]:
    """What `agent/look.py` wrote. Raises ValueError for anything else."""
    try:
        document = json.loads(zlib.decompress(base64.b64decode(text.strip().splitlines()[-1], validate=True)))
    except (IndexError, binascii.Error, zlib.error) as e:
        raise ValueError(str(e)) from e
    if not isinstance(document, dict):
        raise ValueError("no object")
    return document

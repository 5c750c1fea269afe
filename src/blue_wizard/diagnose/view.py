"""A host's answers as facts, each parsed when a rule first asks for it. Pure: the answers may come from a file."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import replace
from functools import cached_property
from typing import Any

from blue_wizard.diagnose.bundle import HostAnswer
from blue_wizard.facts import dnsmasq, iproute, iptables, openflow, ovn, ovs
from blue_wizard.facts.ofproto_trace import Output, Trace, parse_trace

__all__ = ["DhcpView", "HostView", "OvnView", "SpaceView", "TraceView"]

Answer = dict[str, Any]
_NOTHING: Answer = {"rc": 127, "out": "", "err": ""}


class TraceView:
    """One trace with what it was asked: where the packet came in, and why there is none where there is none."""

    def __init__(self, answer: Answer, ports: dict[str, str]) -> None:
        self.in_port: str | None = answer.get("in_port")
        self.bridge: str | None = answer.get("bridge")
        self.error = str(answer.get("err") or "").strip()
        self.trace: Trace | None = None
        if answer["rc"] == 0:
            found = parse_trace(answer["out"])
            # Older switches print datapath numbers.
            named = tuple(replace(o, port=ports.get(o.port, o.port)) for o in found.outputs)
            self.trace = replace(found, outputs=named)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Where the packet leaves."""
        return self.trace.outputs if self.trace else ()


class _Namespace:
    """What `ip` told of one network namespace; nothing where it told nothing."""

    def raw(self, key: str) -> Answer:
        """What a command wrote."""
        raise NotImplementedError

    @cached_property
    def links(self) -> dict[str, iproute.Link]:
        """Its devices by name."""
        return iproute.parse_links(self.raw("link")["out"]) if self.raw("link")["rc"] == 0 else {}

    @cached_property
    def addresses(self) -> dict[str, tuple[str, ...]]:
        """Its addresses by device."""
        return iproute.parse_addresses(self.raw("addr")["out"]) if self.raw("addr")["rc"] == 0 else {}


class DhcpView(_Namespace):
    """The DHCP server of one network on its host."""

    def __init__(self, answer: Answer) -> None:
        self.namespace: int | None = answer.get("namespace")
        self.processes: list[dict[str, Any]] = answer.get("processes", [])
        self.others: list[dict[str, Any]] = answer.get("others", [])
        self.files: dict[str, Any] = answer.get("files", {})
        self._inside: dict[str, Answer] = answer.get("inside", {})

    def raw(self, key: str) -> Answer:
        """What a command inside of the namespace wrote."""
        return self._inside.get(key, _NOTHING)

    @cached_property
    def tables(self) -> iptables.Tables:
        """Its packet filter."""
        return iptables.parse_save(self.raw("iptables")["out"])

    @property
    def listens(self) -> bool | None:
        """Whether a socket waits on UDP port 67 there; None when that is not known."""
        answer = self.raw("udp")
        return dnsmasq.listens_on(answer["out"]) if answer["rc"] == 0 else None

    @cached_property
    def reservations(self) -> list[dnsmasq.Reservation] | None:
        """The hosts file; None when it can't be read."""
        text = self.files.get("host")
        return None if text is None else dnsmasq.parse_hosts(text)


class SpaceView(_Namespace):
    """A network namespace: a router's, or a DHCP server's. `present` is False where there is none."""

    def __init__(self, answer: Answer) -> None:
        self.present = answer.get("namespace") is not None
        self.proxies: list[dict[str, Any]] = answer.get("proxies", [])
        self._inside: dict[str, Answer] = answer.get("inside", {})

    def raw(self, key: str) -> Answer:
        """What a command inside of the namespace wrote."""
        return self._inside.get(key, _NOTHING)

    @cached_property
    def tables(self) -> iptables.Tables:
        """Its packet filter."""
        return iptables.parse_save(self.raw("iptables")["out"])

    def route(self, address: str) -> str | None:
        """The device by which packets for an address leave; "" where no route leads there; None where that is not known."""
        if self.raw("route")["rc"] != 0:
            return None
        found, best = "", -1
        wanted = ipaddress.ip_address(address)
        for row in json.loads(self.raw("route")["out"] or "[]"):
            net = ipaddress.ip_network("0.0.0.0/0" if row["dst"] == "default" else row["dst"], strict=False)
            if row.get("type", "unicast") == "unicast" and wanted in net and net.prefixlen > best:
                found, best = str(row.get("dev", "")), net.prefixlen
        return found

    @property
    def forwards(self) -> bool | None:
        """Whether it passes packets on (net.ipv4.ip_forward)."""
        answer = self.raw("forward")
        return answer["out"].strip() == "1" if answer["rc"] == 0 else None

    def listens(self, protocol: str, port: int) -> bool | None:
        """Whether a socket waits there; None when that is not known."""
        answer = self.raw(protocol)
        # The first line is the head; 0A is the state of a TCP socket that listens.
        lines = [x for i, x in enumerate(answer["out"].splitlines()) if not i or protocol == "udp" or " 0A " in x]
        return dnsmasq.listens_on("\n".join(lines), port) if answer["rc"] == 0 else None


class OvnView:
    """OVN on a host, and what its southbound database says of one port."""

    def __init__(self, answer: Answer, port: str) -> None:
        seen: Answer = answer.get("ports", {}).get(port, _NOTHING)
        self.processes: list[dict[str, Any]] = answer.get("processes", [])
        self.connection: Answer = answer.get("connection", _NOTHING)
        self.known = seen["rc"] == 0
        """Whether the database answered."""
        self.error = str(seen.get("err") or "").strip()
        bindings, chassis, encaps = seen.get("rows") or ([], [], [])
        self.binding = ovn.binding(bindings[0], chassis) if bindings else None
        self.encaps = ovn.encaps(encaps)
        flows: Answer = seen.get("dhcp", _NOTHING)
        self.answers = ovn.dhcp_answers(flows["rows"][0], port) if flows["rc"] == 0 else None
        """What the controller is to answer; None when that is not known."""
        self.ended = ovn.logical_flow(seen.get("ended", {}).get("flow"))
        """The logical flow in which the request ends, where the trace names one."""

    @property
    def running(self) -> bool:
        """Whether the controller runs."""
        return any(p["state"] not in {"T", "t", "Z", "X"} for p in self.processes)

    @property
    def connected(self) -> bool | None:
        """Whether it is connected with the database; None when it does not say."""
        return self.connection["out"].strip() == "connected" if self.connection["rc"] == 0 else None


class HostView(_Namespace):
    """One host. `reached` is False when it said nothing; `why` then tells in one sentence."""

    def __init__(self, name: str, answer: HostAnswer) -> None:
        self.name = name
        self.reached = answer.answers is not None
        self.why, self.hint, self.fault = answer.message, answer.hint, answer.fault
        self._raw: dict[str, Any] = answer.answers or {}

    def raw(self, *keys: str) -> Answer:
        """What a command wrote (an empty answer with status 127 where none was asked)."""
        found: Any = self._raw
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) and "rc" in found else _NOTHING

    @property
    def root(self) -> bool:
        """False when the looking was done without root's rights."""
        return int(self._raw.get("uid", 0)) == 0

    @property
    def wrap(self) -> str:
        """The words before each command of the switch, where it lives in a container."""
        return " ".join(self._raw.get("wrap", ()))

    def command(self, text: str) -> str:
        """A command of the switch as a person types it on this host."""
        return f"{self.wrap} {text}".strip()

    @cached_property
    def tables(self) -> iptables.Tables | None:
        """The packet filter; None when it can't be read."""
        return iptables.parse_save(self.raw("iptables")["out"]) if self.raw("iptables")["rc"] == 0 else None

    @cached_property
    def ebtables(self) -> iptables.Tables:
        """The bridge filter (its save format is that of iptables)."""
        return iptables.parse_save(self.raw("ebtables")["out"]) if self.raw("ebtables")["rc"] == 0 else {}

    @cached_property
    def switch(self) -> ovs.Switch | None:
        """The switch's database; None when it does not answer."""
        if self.raw("ovs")["rc"] != 0:
            return None
        try:
            return ovs.parse_database(self.raw("ovs")["out"])
        except (ValueError, KeyError):
            return None

    @property
    def daemon(self) -> bool:
        """Whether the switch's daemon answers."""
        return int(self.raw("daemon")["rc"]) == 0

    @property
    def vswitchd(self) -> list[dict[str, Any]]:
        """The daemon's processes, each with its state (``T``: stopped)."""
        return list(self.raw("daemon").get("processes", ()))

    @cached_property
    def floods(self) -> dict[str, tuple[str, ...]] | None:
        """Where each VXLAN device sends what is for all: the tunnel ends entered for the MAC 0; None when that is not known."""
        answer = self.raw("bridge_fdb")
        if answer["rc"] != 0:
            return None
        found: dict[str, tuple[str, ...]] = {}
        for row in json.loads(answer["out"] or "[]"):
            if row.get("mac") == "00:00:00:00:00:00" and row.get("dst"):
                found[row["ifname"]] = (*found.get(row["ifname"], ()), str(row["dst"]))
        return found

    @property
    def bridges(self) -> tuple[str, ...]:
        """The bridges whose flows were asked for."""
        return tuple(self._raw.get("flows", {}))

    @cached_property
    def _flows(self) -> dict[str, list[openflow.Flow]]:
        return {}

    def flows(self, bridge: str) -> list[openflow.Flow] | None:
        """The flows of a bridge; None when they can't be read."""
        if self.raw("flows", bridge)["rc"] != 0:
            return None
        if bridge not in self._flows:
            self._flows[bridge] = openflow.parse_flows(self.raw("flows", bridge)["out"])
        return self._flows[bridge]

    def port_config(self, bridge: str, port: str) -> tuple[str, ...]:
        """The OpenFlow flags of a port (``NO_FWD`` ...)."""
        return openflow.parse_port_configs(self.raw("ports", bridge)["out"]).get(port, ())

    def learned(self, bridge: str) -> list[ovs.Learned]:
        """The MAC addresses that a bridge has learned."""
        return ovs.parse_fdb(self.raw("fdb", bridge)["out"])

    @cached_property
    def _datapath(self) -> dict[str, str]:
        lines = re.findall(r"^\s+(\S+) (?:\d+|LOCAL)/(\d+):", self.raw("datapath")["out"], re.M)
        return {number: name for name, number in lines}

    def trace(self, name: str) -> TraceView | None:
        """A trace by its name; None when it was not asked."""
        answer = self._raw.get("traces", {}).get(name)
        return TraceView(answer, self._datapath) if answer else None

    def proc(self, name: str) -> str:
        """A value below /proc/sys, "" when it is not there."""
        return str(self._raw.get("proc", {}).get(name, ""))

    def dhcp(self, network: str) -> DhcpView | None:
        """The DHCP server of a network; None when it was not asked about."""
        answer = self._raw.get("dhcp", {}).get(network)
        return DhcpView(answer) if answer else None

    def ovn(self, port: str) -> OvnView | None:
        """OVN there, and what it knows of a port; None when it was not asked about."""
        answer = self._raw.get("ovn")
        return OvnView(answer, port) if answer else None

    @property
    def namespaces(self) -> tuple[str, ...] | None:
        """The names of its network namespaces; None when they can't be listed."""
        answer = self.raw("netns")
        return tuple(x.split()[0] for x in answer["out"].splitlines() if x.strip()) if answer["rc"] == 0 else None

    def tc(self, device: str, side: str) -> str:
        """The traffic filters of a device (``in`` or ``out``)."""
        return str(self.raw("devices", device, f"tc_{side}")["out"])

    def space(self, name: str) -> SpaceView | None:
        """A network namespace; None when it was not asked about."""
        answer = self._raw.get("spaces", {}).get(name)
        return SpaceView(answer) if answer else None

    @property
    def listening(self) -> tuple[str, ...] | None:
        """The Unix sockets on which somebody waits, by path; None when that was not asked."""
        found = self._raw.get("unix")
        return None if found is None else tuple(found)

    def route(self, address: str) -> str:
        """The device that leads to an address, "" when none does."""
        answer = self.raw("remotes", address, "route")
        try:
            return str(json.loads(answer["out"])[0].get("dev", "")) if answer["rc"] == 0 else ""
        except (ValueError, LookupError):
            return ""

    def device_of(self, address: str) -> str:
        """The device that has an address, "" when none has."""
        return next((name for name, found in self.addresses.items() if address in found), "")

    @property
    def domain(self) -> str:
        """The running machine's definition (libvirt XML), "" when it can't be read."""
        return str(self.raw("domain")["out"])

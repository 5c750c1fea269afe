"""Addresses that a router translates: the floating IP of the server, or the router's own for all others."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause, Direction
from blue_wizard.diagnose.rulebook import about
from blue_wizard.diagnose.view import SpaceView
from blue_wizard.facts.iptables import Rule, within
from blue_wizard.text import _

__all__ = ["floating", "shared"]


def _outward(case: Case) -> SpaceView | None:
    """The namespace of a router by which the packet leaves for the external network."""
    if case.space is None or not case.space.present or not case.path.out_device.startswith("qg-"):
        return None
    return case.space if case.space.tables.get("nat") else None


def _has(found: Rule, target: str, **options: str) -> bool:
    words = found.words
    told = {w: words[i + 1] for i, w in enumerate(words[:-1]) if w.startswith("-")}
    return found.target == target and all(
        told.get(f"{'-' if len(k) == 1 else '--'}{k.replace('_', '-')}", "").removesuffix("/32") == v
        for k, v in options.items()
    )


def _mine(case: Case) -> str:
    return next(
        (
            str(f["floating_ip_address"])
            for f in case.api.aim["floating"]
            if f["port_id"] == case.path.id and f["fixed_ip_address"] == case.path.address
        ),
        "",
    )


@about("router")
def floating(case: Case) -> Iterable[Cause]:
    """The floating IP stands on the router's external device, and is translated both ways.

    Neutron also translates what the router itself sends to it (in OUTPUT), which is no help to anybody else.
    """
    path, space, address = case.path, _outward(case), _mine(case)
    if space is None or not address:
        return
    restart = remedies.restart_l3_agent(path.network_host)
    if address not in space.addresses.get(path.out_device, ()):
        text = _("Floating IP {address} is not on {device} on {host}: nobody answers for it.").format(
            address=address, device=path.out_device, host=path.network_host
        )
        shown = (
            f"{path.out_device}: {', '.join(a for a in space.addresses.get(path.out_device, ()) if ':' not in a) or '-'}",
        )
        yield Cause(
            "fip.address-missing", "out-port", path.network_host, address, text, restart, shown, Direction.REPLY
        )
    ways = (
        ("SNAT", "POSTROUTING", Direction.REQUEST, "out-port", {"s": path.address, "to_source": address}),
        ("DNAT", "PREROUTING", Direction.REPLY, "router", {"d": address, "to_destination": path.address}),
    )
    for target, chain, direction, lost, options in ways:
        if any(_has(r, target, **options) for r in within(space.tables, "nat", chain)):
            continue
        text = _("The {target} rule for floating IP {address} is missing in {space} on {host}.").format(
            target=target, address=address, space=path.space, host=path.network_host
        )
        yield Cause("fip.nat-missing", "router", path.network_host, f"{path.space} {address}", text, restart,
                    (f"iptables -t nat: {target} {options}: 0",), direction, lost)  # fmt: skip


@about("router")
def shared(case: Case) -> Iterable[Cause]:
    """Who has no floating IP leaves with the router's address."""
    path, space = case.path, _outward(case)
    if space is None or path.out_port is None or _mine(case) or path.router is None:
        return
    if not (path.router.get("external_gateway_info") or {}).get("enable_snat"):
        return
    own = [str(ip["ip_address"]) for ip in path.out_port["fixed_ips"] if ":" not in ip["ip_address"]]
    rules = within(space.tables, "nat", "POSTROUTING")
    if any(_has(r, "SNAT", o=path.out_device, to_source=a) for r in rules for a in own):
        return
    text = _("The rule that gives packets the router's address {address} is missing in {space} on {host}.").format(
        address=", ".join(own), space=path.space, host=path.network_host
    )
    mend = remedies.restart_l3_agent(path.network_host)
    shown = ("iptables -t nat: SNAT --to-source: 0",)
    yield Cause("router.snat-missing", "router", path.network_host, path.space, text, mend, shown, lost_at="out-port")

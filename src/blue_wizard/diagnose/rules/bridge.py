"""The server's device, and the Linux bridge of the hybrid plug: tap, qbr, qvb, qvo."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause, Direction
from blue_wizard.diagnose.rulebook import rule, with_ovn
from blue_wizard.facts.iproute import Link
from blue_wizard.text import _

__all__ = ["devices", "guest", "passing", "plugged", "port_flags"]


def _down(code: str, hop: str, case: Case, device: str, link: Link) -> Cause:
    host = case.compute.host.name
    return Cause(
        code,
        hop,
        host,
        device,
        _("{device} on {host} is down.").format(device=device, host=host),
        remedies.link_up(host, device),
        (f"{device}: up={link.up} operstate={link.operstate}",),
    )


def _missing(code: str, hop: str, case: Case, device: str) -> Cause:
    host = case.compute.host.name
    return Cause(
        code,
        hop,
        host,
        device,
        _("{device} is not there on {host}.").format(device=device, host=host),
        remedies.hard_reboot(case.api.server["id"]),
        (f"ip link show {device}: does not exist",),
    )


@with_ovn
def devices(case: Case) -> Iterable[Cause]:
    """Each device exists and is up. A veth end without carrier has its other end down, which is told there."""
    links, path = case.compute.host.links, case.path
    if not links or not path.supported or case.api.server["status"] != "ACTIVE":
        return
    names = {"tap": path.tap}
    if path.hybrid:
        names |= {p: path.device(p) for p in ("qbr", "qvb", "qvo")}
    for hop, device in names.items():
        link = links.get(device)
        if link is None:
            if hop == "tap" and path.port.get("binding:vif_type") not in {"ovs", "bridge", "tap"}:
                continue
            yield _missing(f"{hop}.missing", hop, case, device)
        elif not link.up:
            yield _down(f"{hop}.down", hop, case, device, link)


@rule
def plugged(case: Case) -> Iterable[Cause]:
    """tap and qvb are ports of qbr."""
    links, path = case.compute.host.links, case.path
    if not links or not path.hybrid:
        return
    bridge = path.device("qbr")
    for device, code, lost in (
        (path.tap, "tap.not-in-bridge", "qbr"),
        (path.device("qvb"), "qvb.not-in-bridge", "qvb"),
    ):
        link = links.get(device)
        if link is None or bridge not in links or link.master == bridge:
            continue
        host = case.compute.host.name
        yield Cause(
            code,
            code.partition(".")[0],
            host,
            device,
            _("{device} on {host} is not in bridge {bridge}.").format(device=device, host=host, bridge=bridge),
            _("On {host}: ip link set {device} master {bridge}").format(host=host, device=device, bridge=bridge),
            (f"{device}: master={link.master or '-'}",),
            lost_at=lost,
        )


@rule
def passing(case: Case) -> Iterable[Cause]:
    """qbr lets frames without a tag pass from tap to qvb: its ports forward, and no VLAN filter stands between."""
    links, path, host = case.compute.host.links, case.path, case.compute.host
    if not links or not path.hybrid:
        return
    bridge = links.get(path.device("qbr"))
    for device, lost in ((path.tap, "qbr"), (path.device("qvb"), "qvb")):
        link = links.get(device)
        # A bridge that is down, or a port without carrier, is disabled for that alone, which is told there.
        if (
            link
            and bridge is not None
            and bridge.up
            and link.master == bridge.name
            and link.up
            and link.carrier
            and link.port_state in {"disabled", "blocking", "listening"}
        ):
            yield Cause(
                "qbr.port-blocked",
                "qbr",
                host.name,
                device,
                _("Bridge {bridge} on {host} does not forward on its port {device} (state {state}).").format(
                    bridge=path.device("qbr"), host=host.name, device=device, state=link.port_state
                ),
                _(
                    "On {host}: bridge link set dev {device} state 3, and switch spanning tree off on that bridge."
                ).format(host=host.name, device=device),
                (f"{device}: state={link.port_state}",),
                lost_at=lost,
            )
    if bridge is None or not bridge.info.get("vlan_filtering"):
        return
    try:
        ports = {p["ifname"]: p.get("vlans", []) for p in json.loads(host.raw("bridge_vlan")["out"])}
    except (ValueError, KeyError):
        return
    default = {device: _untagged(ports.get(device, [])) for device in (path.tap, path.device("qvb"))}
    if None in default.values() or len(set(default.values())) > 1:
        device = next((d for d, v in default.items() if v is None), path.tap)
        yield Cause(
            "qbr.vlan-filtering",
            "qbr",
            host.name,
            path.device("qbr"),
            _("Bridge {bridge} on {host} filters VLANs, and {device} is not in the same one as the other port.").format(
                bridge=path.device("qbr"), host=host.name, device=device
            ),
            _("On {host}: ip link set {bridge} type bridge vlan_filtering 0").format(
                host=host.name, bridge=path.device("qbr")
            ),
            (f"vlan_filtering=1, {default}",),
            lost_at="qbr" if default[path.tap] is None else "qvb",
        )


@rule
def port_flags(case: Case) -> Iterable[Cause]:
    """Flags of qbr's ports: two isolated ones do not speak with each other; without floods a broadcast, or a reply, is not sent.

    A locked port takes in nothing from a MAC that was not entered by hand (Linux bridge, IFLA_BRPORT_*).
    """
    path, host = case.path, case.compute.host
    tap, qvb = host.links.get(path.tap), host.links.get(path.device("qvb"))
    bridge = path.device("qbr")
    if not path.hybrid or tap is None or qvb is None or {tap.master, qvb.master} != {bridge}:
        return
    found: list[tuple[str, str, str, Direction, str]] = []
    if tap.port_flags.get("isolated") and qvb.port_flags.get("isolated"):
        found.append((qvb.name, "isolated", "off", Direction.REQUEST, "qvb"))
    if qvb.port_flags.get("bcast_flood") is False:
        found.append((qvb.name, "bcast_flood", "on", Direction.REQUEST, "qvb"))
    if tap.port_flags.get("locked"):
        found.append((tap.name, "locked", "off", Direction.REQUEST, "qbr"))
    # Nova makes qbr forget addresses at once, so that every frame is flooded.
    if tap.port_flags.get("flood") is False:
        found.append((tap.name, "flood", "on", Direction.REPLY, "tap"))
    if qvb.port_flags.get("locked"):
        found.append((qvb.name, "locked", "off", Direction.REPLY, "qbr"))
    for device, flag, wanted, direction, lost in found:
        yield Cause(
            "qbr.port-flags",
            "qbr",
            host.name,
            device,
            _(
                "Port {device} of bridge {bridge} on {host} has the flag {flag}, which keeps packets from passing."
            ).format(device=device, bridge=bridge, host=host.name, flag=f"{flag} {'off' if wanted == 'on' else 'on'}"),
            _("On {host}: ip link set {device} type bridge_slave {flag} {wanted}").format(
                host=host.name, device=device, flag=flag, wanted=wanted
            ),
            (f"{tap.name}: {_shown(tap)}", f"{qvb.name}: {_shown(qvb)}"),
            direction,
            lost,
        )


def _shown(link: Link) -> str:
    return " ".join(f"{k}={link.port_flags.get(k)}" for k in ("isolated", "bcast_flood", "flood", "locked"))


def _untagged(vlans: list[dict[str, object]]) -> int | None:
    """The VLAN that untagged frames of a port belong to, if they also leave without a tag."""
    for vlan in vlans:
        flags = {str(f).lower() for f in vlan.get("flags", ())}  # type: ignore[attr-defined]
        if "pvid" in flags and any("untagged" in f for f in flags):
            return int(str(vlan["vlan"]))
    return None


@with_ovn
def guest(case: Case) -> Iterable[Cause]:
    """What libvirt says of the server's NIC: its MAC, its link, whether the machine runs."""
    text, path = case.compute.host.domain, case.path
    if not text:
        return
    nics = [n for n in re.findall(r"<interface .*?</interface>", text, re.S) if f"'{path.tap}'" in n]
    host = case.compute.host.name
    state = str(case.compute.host.raw("domstate")["out"]).strip()
    if state.startswith("paused"):
        yield Cause(
            "server.not-active",
            "guest",
            host,
            case.api.server["name"],
            _("The machine is paused on {host}, though Nova says that it runs.").format(host=host),
            _("Find out why (disk full, I/O error, dump): virsh domstate --reason; then virsh resume."),
            (state,),
        )
    for nic in nics:
        mac = re.search(r"<mac address='([^']+)'", nic)
        if mac and mac[1].lower() != path.mac:
            yield Cause(
                "guest.wrong-mac",
                "guest",
                host,
                path.tap,
                _("The server's NIC has MAC {actual}, its port {expected}.").format(actual=mac[1], expected=path.mac),
                remedies.hard_reboot(case.api.server["id"]),
                (mac[0],),
                lost_at="tap" if not path.hybrid else "",
            )
        if "<link state='down'/>" in nic:
            yield Cause(
                "guest.link-down",
                "guest",
                host,
                path.tap,
                _("The cable of the server's NIC is pulled in libvirt on {host}.").format(host=host),
                _("On {host}: virsh domif-setlink {domain} {device} up").format(
                    host=host, domain=case.api.server.get("OS-EXT-SRV-ATTR:instance_name", "DOMAIN"), device=path.tap
                ),
                ("<link state='down'/>",),
                lost_at="tap",
            )

"""From a bundle to the verdicts. Pure: the same bundle gives the same report anywhere.

A port is lost when a rule proves a cause, or when a trace shows that the packet does not come through. It is unknown when nothing
is proved and something could not be looked at. Of several causes the one that the packet would meet first is the cause.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from blue_wizard.diagnose import counters
from blue_wizard.diagnose import path as way
from blue_wizard.diagnose import sightings as watched
from blue_wizard.diagnose.bundle import Bundle
from blue_wizard.diagnose.case import Case, Side, cases
from blue_wizard.diagnose.model import Cause, Direction, Finding, PortReport, Report, Verdict
from blue_wizard.diagnose.rulebook import Rule, rules
from blue_wizard.text import _

__all__ = ["judge", "order", "proved", "unexplained"]

# What the API says outranks what follows from it on the hosts.
_FIRST = ("server.", "port.unsupported", "port.binding-failed", "port.unbound", "port.host-mismatch", "port.admin-down",
          "network.admin-down", "subnet.", "dhcp.no-agent", "port.no-fixed-ip", "l2.no-", "router.none",
          "router.admin-down", "router.no-agent", "router.no-gateway")  # fmt: skip
# What makes everything behind it look broken.
_ROOTS = ("l2.agent-dead", "ovs.db-down", "ovs.vswitchd-down", "dhcp.agent-dead", "ovs.bridge-missing", "ovs.flows-missing",
          "ovs.stale-ofport")  # fmt: skip


def judge(bundle: Bundle) -> Report:
    """The report on a bundle."""
    known = rules()
    reports = [_port(found, known) for found in cases(bundle).values()]
    server = bundle.api.server
    errors = [str(c["error"]) for c in bundle.captures.values() if isinstance(c, dict) and c.get("error")]
    return Report(
        server["id"], server["name"], server["status"], tuple(reports), bundle.took_s, tuple(dict.fromkeys(errors))
    )


def _port(found: tuple[Case, ...], known: tuple[Rule, ...]) -> PortReport:
    """The best of a port's paths: one DHCP server that answers is enough."""
    made = [_case(case, known) for case in found]
    rank = {Verdict.OK: 0, Verdict.DEGRADED: 1, Verdict.UNKNOWN: 2, Verdict.LOST: 3}
    best = min(made, key=lambda r: rank[r.verdict])
    bad = [r for r in made if r.verdict in {Verdict.LOST, Verdict.UNKNOWN}]
    if best.verdict is not Verdict.OK or not bad:
        return best
    cause = next(r.cause for r in bad)
    findings = best.findings
    if cause is not None:
        text = _("One of {count} DHCP servers is not reached: {message}").format(count=len(made), message=cause.message)
        findings = (*findings, Finding(cause.code, cause.host, cause.object, text, cause.remedy, cause.evidence))
    return replace(
        best,
        verdict=Verdict.DEGRADED if any(r.verdict is Verdict.LOST for r in bad) else best.verdict,
        findings=findings,
    )


def proved(case: Case, known: Iterable[Rule]) -> tuple[list[Cause], list[Finding]]:
    """What all rules say of a case."""
    causes: list[Cause] = []
    findings: list[Finding] = []
    for one in known:
        for said in one(case):
            if isinstance(said, Cause):
                causes.append(said)
            elif said not in findings:
                findings.append(said)
    return causes, findings


def order(case: Case, cause: Cause) -> tuple[int, int, int]:
    """Where a cause stands: what is known beats what is not, the API first, then in the order of the packet's travel."""
    hops = case.hops if cause.direction is Direction.REQUEST else case.hops[::-1]
    at = hops.index(cause.missing_from) if cause.missing_from in hops else len(hops)
    first = 0 if cause.code.startswith(_FIRST) else 1
    return (
        int(cause.unknown),
        first,
        (at if cause.direction is Direction.REQUEST else 100 + at) * 2 - int(cause.code.startswith(_ROOTS)),
    )


def _case(case: Case, known: tuple[Rule, ...]) -> PortReport:
    causes, findings = proved(case, known)
    for said in watched.rogue(case):
        (causes if isinstance(said, Cause) else findings).append(said)  # type: ignore[arg-type]
    if not any(not c.unknown for c in causes):
        causes += unexplained(case)
    causes.sort(key=lambda c: order(case, c))
    seen = watched.sightings(case)
    if seen is not None:
        causes, more = _by_capture(case, causes, seen)
        findings += more
    cause = causes[0] if causes else None
    if cause is not None and seen is not None and seen.lost is not None:
        cause = replace(cause, evidence=(*cause.evidence, *counters.evidence(case, cause.host)))
    if cause is None:
        sure = seen is not None and seen.whole
        verdict = Verdict.OK if sure or _all_seen(case) else Verdict.UNKNOWN
    else:
        verdict = Verdict.UNKNOWN if cause.unknown else Verdict.LOST
    lost = direction = None
    if cause is not None and verdict is Verdict.LOST:
        direction = cause.direction
        lost = _between(case, cause)
        if seen is not None and seen.lost is not None and seen.lost[2] is direction:
            lost = seen.lost[:2] if cause.code == watched.UNEXPLAINED else _narrowed(case, lost, *seen.lost)
    path = case.path
    return PortReport(
        path.id,
        path.mac,
        path.address,
        str(path.network["name"] or path.network["id"]),
        path.compute,
        _driver(case),
        path.kind,
        path.network_host,
        verdict,
        lost,
        direction,
        cause,
        tuple(causes[1:]),
        tuple(findings),
        way.hops(case, cause, verdict, seen),
        str(path.aim) if path.aim else "",
    )


_GUEST = ("server.", "guest.")
_WRONG_ADDRESS = {"dhcp.host-entry-wrong", "ovn.wrong-offer"}


def _by_capture(case: Case, causes: list[Cause], seen: watched.Sightings) -> tuple[list[Cause], list[Finding]]:
    """Causes and findings in the light of a real packet. What it passed is not the cause; where it was lost, it is."""
    if seen.whole:
        # An answer that brings another address than the port's is no help.
        wrong = case.path.address not in seen.offered
        kept = [c for c in causes if c.code.startswith(_GUEST) or (wrong and c.code in _WRONG_ADDRESS)]
        # What could not be looked at is told, too: it did not keep a packet from passing, and something is wrong with it.
        return kept, [_passed(c) for c in causes if c not in kept]
    if seen.lost is None:
        return causes, []
    first, second, direction = seen.lost
    hops = case.hops if direction is Direction.REQUEST else case.hops[::-1]
    low, high = hops.index(first), hops.index(second)

    def near(cause: Cause) -> bool:
        if second == "dhcp-server" and cause.hop.startswith("dhcp") and not cause.unknown:
            # Whether the server did not get it, or its answer did not get out, no capture can tell.
            return True
        at = {hops.index(h) for h in (cause.missing_from, cause.hop) if h in hops}
        if case.path.answered_by_ovn and cause.direction is Direction.REPLY and not cause.unknown:
            # Nothing can be watched behind the server's device: whether there was an answer, no capture can tell.
            return True
        # A device that is down takes the carrier of the one before it: one hop further is still there.
        return cause.direction is direction and not cause.unknown and any(low <= i <= high + 1 for i in at)

    matching = [c for c in causes if near(c) or c.code.startswith(_FIRST)]
    rest = [c for c in causes if c not in matching]
    return [*(matching or [watched.unexplained(case, seen)]), *rest], []


def _passed(cause: Cause) -> Finding:
    text = _("{message} A test packet passes all the same.").format(message=cause.message)
    return Finding(cause.code, cause.host, cause.object, text, cause.remedy, cause.evidence)


def _between(case: Case, cause: Cause) -> tuple[str, str]:
    """The last hop with the packet and the first without."""
    hops = case.hops if cause.direction is Direction.REQUEST else case.hops[::-1]
    at = hops.index(cause.missing_from) if cause.missing_from in hops else 1
    return (hops[max(at - 1, 0)], hops[max(at, 1)])


def _narrowed(case: Case, told: tuple[str, str], first: str, second: str, direction: Direction) -> tuple[str, str]:
    """Between the hops that a capture names; where a NIC between them was not watched, as the cause says."""
    hops = case.hops if direction is Direction.REQUEST else case.hops[::-1]
    between = hops[hops.index(first) : hops.index(second) + 1]
    whole_wire = any(h.endswith("-nic") for h in between[1:-1])
    return told if whole_wire and all(h in between for h in told) else (first, second)


def _all_seen(case: Case) -> bool:
    """Whether both hosts were looked at, and every trace that there must be comes through."""
    switched = case.path.linuxbridge
    if case.path.answered_by_ovn:
        host, controller = case.compute.host, case.ovn
        looked = host.reached and host.root and host.switch is not None and bool(host.links)
        if case.path.aim is not None:
            inside = case.space is not None and bool(case.space.links)
            return looked and inside and all(case.traced[n] is True for n in ("compute-request", "compute-reply"))
        return looked and case.traced["compute-request"] is True and controller is not None and controller.running
    if (
        not all(side.host.reached and side.host.root and (switched or side.host.switch) for side in case.sides)
        or case.network is None
    ):
        return False
    if not case.compute.host.links or (case.path.filtered and case.compute.host.tables is None):
        return False
    if case.path.space:
        there = case.dhcp if case.path.aim is None else case.space
        if there is None or not there.links:
            return False
    if case.path.linuxbridge:
        return all(side.host.links for side in case.sides)
    needed = ("compute-request", "compute-reply") if case.path.same_host else tuple(case.traced)
    return all(case.traced[name] is True for name in needed)


def unexplained(case: Case) -> Iterable[Cause]:
    """A trace shows that the packet is lost, and no rule says why: the place and the last flow that it met."""
    ends: dict[str, tuple[Side | None, Direction]] = {
        "compute-request": (case.compute, Direction.REQUEST),
        "network-request": (case.network, Direction.REQUEST),
        "network-reply": (case.network, Direction.REPLY),
        "compute-reply": (case.compute, Direction.REPLY),
    }
    for name, (side, direction) in ends.items():
        if side is None or case.traced[name] is not False:
            continue
        found = case.trace(name)
        assert found is not None
        assert found.trace is not None
        # Flooding also ends in bridges that are not on the way.
        ours = {side.integration, side.tunnel_bridge if case.path.tunnelled else side.bridge}
        on_the_way = [s for s in found.trace.steps if s.bridge in ours]
        last = [s for s in on_the_way if s.drops] or on_the_way
        step = last[-1] if last else None
        inside = step is None or step.bridge == side.integration
        hop = (
            side.br_int
            if inside or case.path.same_host
            else f"{side.role}-{'br-tun' if case.path.tunnelled else 'bridge'}"
        )
        remarks = tuple(r for s in found.trace.steps for r in s.remarks if "drop" in r.lower()) + found.trace.remarks
        yield Cause(
            "ovs.dropped",
            hop,
            side.host.name,
            step.bridge if step else side.integration,
            _("Open vSwitch on {host} does not forward the packet.").format(host=side.host.name),
            _("Look at the trace: {command}").format(
                command=side.host.command(f"ovs-appctl ofproto/trace {found.bridge} ...")
            ),
            (*((step.text(),) if step else ()), *remarks, f"Datapath actions: {found.trace.actions}"),
            direction,
        )
        return


def _driver(case: Case) -> str:
    """The firewall driver, as the host proves it; what the API says of it where the host can't."""
    host, short = case.compute.host, case.path.id[:10]
    if case.path.port.get("port_security_enabled") is False:
        return "none (port security off)"
    if case.path.ovn:
        return "ovn"
    if case.path.filtered:
        chains = (host.tables or {}).get("filter", {})
        proof = any(n.endswith(f"o{short}") for n in chains)
        name = "iptables" if case.path.linuxbridge else "iptables_hybrid"
        return name if proof or not host.reached else f"{name} (no chains)"
    flows = host.flows(case.path.integration_bridge)
    if flows is None:
        return "openvswitch"
    return "openvswitch" if any(f.table == 71 for f in flows) else "noop"

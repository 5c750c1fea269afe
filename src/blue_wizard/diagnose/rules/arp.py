"""ARP: the question for the next hop's MAC must get there, too. Flows and filters for it are apart from those for IP."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.model import Cause
from blue_wizard.diagnose.rulebook import about
from blue_wizard.text import _

__all__ = ["question"]


@about("router", "server", "dhcp")
def question(case: Case) -> Iterable[Cause]:
    """The ARP request is lost in a switch that passes the IP packet; where both are lost, others tell why."""
    sides = {"compute": case.compute, "network": case.network}
    for role, side in sides.items():
        found = case.trace(f"{role}-arp")
        if side is None or found is None or found.trace is None or case.arrives(f"{role}-arp") is not False:
            continue
        if case.traced[f"{role}-request"] is not True:
            continue
        last = next((s for s in reversed(found.trace.steps) if s.bridge == side.integration), None)
        yield Cause(
            "arp.blocked",
            side.br_int,
            side.host.name,
            f"{side.integration} table={last.table}" if last else side.integration,
            _("{bridge} on {host} drops the server's ARP request for {address}, though it passes IP.").format(
                bridge=side.integration, host=side.host.name, address=case.path.far_address
            ),
            remedies.restart_l2_agent(side.host.name),
            (last.text(),) if last else (f"Datapath actions: {found.trace.actions}",),
            lost_at="" if side is case.compute else case.path.far_hop,
        )
        return

"""br-int: its flows and patches."""

from __future__ import annotations

from tests.unit.diagnose.cases import lost
from tests.unit.diagnose.seen import HYBRID, TWO_PORTS, Seen, dropped, unmatched


@lost("ovs.flows-missing", HYBRID, ("qvo", "compute-br-int"))
def flows_gone(s: Seen) -> None:
    s.cmp["flows"]["br-int"]["out"] = "OFPST_FLOW reply (OF1.3) (xid=0x2):\n"
    s.traced(s.cmp, "compute-request", unmatched("br-int", 0))


@lost("ovs.normal-flow-missing", HYBRID, ("qvo", "compute-br-int"))
def normal_gone(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-int", "table=60,.*NORMAL")
    s.traced(s.cmp, "compute-request", unmatched("br-int", 60))


@lost("ovs.patch-missing", HYBRID, ("compute-br-int", "compute-br-tun"))
def patch_gone(s: Seen) -> None:
    s.port_gone(s.cmp, "patch-tun")


@lost("ovs.patch-peer", HYBRID, ("compute-br-int", "compute-br-tun"))
def patch_elsewhere(s: Seen) -> None:
    s.set_option(s.cmp, "patch-tun", "options", "peer", "nowhere")


@lost("ovs.foreign-drop-flow", HYBRID, ("qvo", "compute-br-int"))
def foreign_flow(s: Seen) -> None:
    s.traced(s.cmp, "compute-request", dropped("br-int", 0, "udp,tp_dst=67", 60000, "0x0"))


@lost("ovs.flows-missing", HYBRID, ("qvo", "compute-br-int"))
def empty_table(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-int", "table=59,")
    s.traced(s.cmp, "compute-request", unmatched("br-int", 59))


@lost("ovs.bridge-missing", TWO_PORTS, ("compute-br-int", "compute-bridge"))
def no_provider_bridge(s: Seen) -> None:
    s.set_row(s.cmp, 0, "br-ex", name="br-other")


@lost("ovs.dropped", HYBRID, ("qvo", "compute-br-int"))
def unexplained(s: Seen) -> None:
    s.traced(s.cmp, "compute-request", dropped("br-int", 24))

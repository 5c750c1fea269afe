"""Filters of tc and XDP."""

from __future__ import annotations

from tests.unit.diagnose.cases import found, lost
from tests.unit.diagnose.seen import HYBRID, OVSFW, Seen

# As iproute2 6.1 prints it: drop UDP to a port, by classic BPF.
BYTECODE = (
    "filter protocol all pref 1 bpf chain 0 \n"
    "filter protocol all pref 1 bpf chain 0 handle 0x1 direct-action not_in_hw bytecode '11,40 0 0 12,21 0 8 2048,48 0 0 23,"
    "21 0 6 17,40 0 0 20,69 4 0 8191,177 0 0 14,72 0 0 16,21 0 1 {port},6 0 0 2,6 0 0 4294967295'\n"
)


@lost("tap.tc-filter", HYBRID, ("tap", "qbr"))
def filtered(s: Seen) -> None:
    s.cmp["devices"][f"tap{s.short}"]["tc_in"]["out"] = BYTECODE.format(port=67)


@lost("dhcp.blocked", HYBRID, ("dhcp-server", "dhcp-port"), "reply")
def filtered_at_the_server(s: Seen) -> None:
    s.dhcp["inside"]["tc_out"]["out"] = BYTECODE.format(port=68)


@found("tap.tc-filter", HYBRID)
def a_program_nobody_can_judge(s: Seen) -> None:
    text = "filter protocol all pref 1 bpf chain 0 handle 0x1 cil_from_container direct-action not_in_hw id 7 tag 0a jited\n"
    s.cmp["devices"][f"tap{s.short}"]["tc_in"]["out"] = text


@found("tap.tc-filter", OVSFW)
def xdp(s: Seen) -> None:
    s.link(s.cmp, f"tap{s.short}", xdp={"mode": 1})


@lost("tap.tc-filter", HYBRID, ("qbr", "tap"), "reply")
def filtered_reply(s: Seen) -> None:
    s.cmp["devices"][f"tap{s.short}"]["tc_out"]["out"] = (
        "filter protocol all pref 4 matchall chain 0 handle 0x1 \n\taction order 1: gact action drop\n"
    )

"""The firewall inside of the switch."""

from __future__ import annotations

from tests.unit.diagnose.cases import lost
from tests.unit.diagnose.seen import OVSFW, Seen, dropped, unmatched


@lost("ovs.stale-ofport", OVSFW, ("compute-br-int", "tap"), "reply")
def renumbered_reply_only(s: Seen) -> None:
    s.set_row(s.cmp, 2, f"tap{s.short}", ofport=77)
    s.traced(s.cmp, "compute-reply", dropped("br-int", 82))


@lost("ovs.stale-ofport", OVSFW, ("tap", "compute-br-int"))
def renumbered(s: Seen) -> None:
    s.set_row(s.cmp, 2, f"tap{s.short}", ofport=77)
    s.traced(s.cmp, "compute-request", dropped("br-int", 71))


@lost("ovsfw.request-flow", OVSFW, ("tap", "compute-br-int"))
def no_request_flow(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-int", f"table=71,.*in_port={s.ofport(s.cmp, f'tap{s.short}')},.*tp_src=68,tp_dst=67")
    s.traced(s.cmp, "compute-request", dropped("br-int", 93))


@lost("ovsfw.mac-not-allowed", OVSFW, ("tap", "compute-br-int"))
def other_mac(s: Seen) -> None:
    s.edit(s.cmp["flows"]["br-int"], rf"(table=71,.*dl_src=){s.port['mac_address']}", r"\1fa:16:3e:00:00:01")
    s.traced(s.cmp, "compute-request", dropped("br-int", 93))


@lost("ovsfw.reply-flow", OVSFW, ("compute-br-int", "tap"), "reply")
def no_reply_flow(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-int", "table=81,.*udp,reg5=.*tp_dst=68")
    s.traced(s.cmp, "compute-reply", dropped("br-int", 82))


@lost("ovsfw.base-flow", OVSFW, ("tap", "compute-br-int"))
def no_base_flow(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-int", "table=94,.*NORMAL")
    s.traced(s.cmp, "compute-request", unmatched("br-int", 94))


@lost("ovsfw.base-flow", OVSFW, ("tap", "compute-br-int"))
def no_flow_in_table_73(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-int", f"table=73,.*priority=80,reg5={s.ofport(s.cmp, f'tap{s.short}'):#x} ")
    s.traced(s.cmp, "compute-request", dropped("br-int", 73))

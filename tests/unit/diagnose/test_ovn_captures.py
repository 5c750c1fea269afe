"""What a capture proves in OVN, where the server's device alone can be watched."""

from __future__ import annotations

from typing import Any

from blue_wizard.diagnose.model import PortReport, Verdict
from tests.unit.diagnose.faults.ovn import another_address, flows_deleted
from tests.unit.diagnose.seen import OVN, Seen


def watched(
    s: Seen, *, method: str = "inject", live: bool = True, requests: int = 1, offers: tuple[str, ...] = ()
) -> PortReport:
    """The report when the device saw that."""
    tap: dict[str, Any] = {
        "device": f"tap{s.short}", "live": live, "requests": requests, "replies": len(offers), "vlans": [], "vnis": [],
        "strangers": [], "problem": "" if live else "busy", "error": "",
        "offers": [{"kind": "offer", "address": a, "server": "10.7.0.1", "source": "fa:16:3e:99:99:99"} for a in offers],
    }  # fmt: skip
    s.bundle.captures[s.port["id"]] = {"method": method, "dhcp_port": None, "hops": {"tap": tap}}
    return s.report()


def test_an_offer_is_proof_and_its_server_is_no_stranger() -> None:
    report = watched(Seen(OVN), offers=("10.7.0.5",))
    assert (report.verdict, report.cause, report.findings) == (Verdict.OK, None, ())


def test_an_offer_of_a_server_that_is_not_ovn_s_is_told() -> None:
    seen = Seen(OVN)
    seen.ovn["dhcp"]["rows"] = [[]]
    report = watched(seen, offers=("10.7.0.5",))
    assert "dhcp.rogue" in {f.code for f in report.findings}


def test_what_passes_all_the_same_is_a_finding() -> None:
    seen = Seen(OVN)
    flows_deleted(seen)
    report = watched(seen, offers=("10.7.0.5",))
    assert (report.verdict, [f.code for f in report.findings]) == (Verdict.OK, ["ovn.flows-missing"])


def test_an_offer_of_another_address_is_no_help() -> None:
    seen = Seen(OVN)
    another_address(seen)
    report = watched(seen, offers=("10.7.0.77",))
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.LOST, "ovn.wrong-offer")


def test_an_offer_of_the_right_address_is() -> None:
    seen = Seen(OVN)
    another_address(seen)
    assert watched(seen, offers=("10.7.0.5",)).verdict is Verdict.OK


def test_no_answer_where_the_state_is_well_is_the_controller_s() -> None:
    report = watched(Seen(OVN))
    assert report.cause is not None
    assert (report.verdict, report.cause.code, report.cause.object) == (Verdict.LOST, "dhcp.silent", "ovn-controller")
    assert report.lost_between == ("tap", "dhcp-server")


def test_no_answer_that_was_not_watched_for_says_nothing() -> None:
    report = watched(Seen(OVN), live=False)
    assert (report.verdict, report.cause, report.lost_between) == (Verdict.OK, None, None)


def test_a_guest_s_only_request_may_have_come_at_the_end() -> None:
    assert watched(Seen(OVN), method="listen").verdict is Verdict.OK
    report = watched(Seen(OVN), method="listen", requests=2)
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.LOST, "dhcp.silent")

"""Claims in failure domains: who gets one, who keeps it, and who gives it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from blue_wizard.errors import Refused
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Claim, Plan, State


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


def _claim(host: str, *, keep: bool = False, most: int = 1, rack: str = "rack:r1") -> Claim:
    return Claim("maintenance", rack, f"host:{host}", most, keep)


def _add(
    ledger: Ledger, job: str, *claims: Claim, releases: tuple[Claim, ...] = (), parts: tuple[Plan, ...] = ()
) -> None:
    plan = Plan(job, "toy", claims=claims, releases=releases, children=parts)
    ids = {id(plan): job} | {id(c): f"{job}.{i}" for i, c in enumerate(parts, start=1)}
    ledger.add(ids, plan, State.QUEUED, locks=[])


def _held(ledger: Ledger) -> dict[str, str]:
    return {c["member"]: c["job"] for c in ledger.claims()}


def test_a_full_domain_refuses_and_names_the_holder(ledger: Ledger) -> None:
    _add(ledger, "j-1", _claim("cmp1"))
    with pytest.raises(Refused, match=r"host:cmp2.*j-1 holds host:cmp1 in rack:r1"):
        _add(ledger, "j-2", _claim("cmp2"))
    assert [j["id"] for j in ledger.jobs()] == ["j-1"]
    _add(ledger, "j-3", _claim("cmp9", rack="rack:r2"))
    ledger.set_state("j-1", State.DONE)
    _add(ledger, "j-2", _claim("cmp2"))
    assert _held(ledger) == {"host:cmp9": "j-3", "host:cmp2": "j-2"}


def test_the_strictest_of_a_domain_counts(ledger: Ledger) -> None:
    _add(ledger, "j-1", _claim("cmp1", most=2))
    _add(ledger, "j-2", _claim("cmp2", most=2))
    with pytest.raises(Refused):
        _add(ledger, "j-3", _claim("cmp3", most=2))
    ledger.set_state("j-1", State.DONE)
    with pytest.raises(Refused):
        _add(ledger, "j-3", _claim("cmp3", most=1))


def test_a_claim_is_kept_after_the_end_until_a_later_job_releases_it(ledger: Ledger) -> None:
    _add(ledger, "enter", _claim("cmp1", keep=True))
    ledger.set_state("enter", State.DONE)
    with pytest.raises(Refused, match="enter"):
        _add(ledger, "other", _claim("cmp2"))
    _add(ledger, "leave", releases=(_claim("cmp1", keep=True),))
    assert _held(ledger) == {"host:cmp1": "enter"}
    ledger.set_state("leave", State.DONE)
    assert _held(ledger) == {}
    _add(ledger, "other", _claim("cmp2"))
    # The host would come back into maintenance when its leaving is undone, and there is no room for that now.
    with pytest.raises(Refused, match="other"):
        ledger.start_undo("leave", [])
    ledger.set_state("other", State.DONE)
    ledger.start_undo("leave", [])
    ledger.set_state("leave", State.ROLLED_BACK)
    assert _held(ledger) == {"host:cmp1": "leave"}


def test_what_was_undone_keeps_nothing_and_what_is_stuck_keeps_all(ledger: Ledger) -> None:
    for state, kept in [(State.FAILED, 0), (State.CANCELLED, 0), (State.ROLLED_BACK, 0), (State.STUCK, 1)]:
        _add(ledger, state.value, _claim("cmp1", keep=True))
        ledger.set_state(state.value, state)
        assert len(ledger.claims()) == kept
    assert ledger.release("stuck", "li", "here") == 1
    assert ledger.claims() == []
    assert ledger.events(["stuck"])[-1]["data"]["who"] == "li"


def test_a_later_job_goes_on_with_a_member_whose_claim_was_kept(ledger: Ledger) -> None:
    _add(ledger, "j-1", _claim("cmp1", keep=True))
    with pytest.raises(Refused, match="j-1"):
        _add(ledger, "j-2", _claim("cmp1"))
    ledger.set_state("j-1", State.DONE)
    _add(ledger, "j-2", _claim("cmp1"))
    assert _held(ledger) == {"host:cmp1": "j-2"}


def test_parts_wait_for_each_other_and_are_refused_for_a_stranger(ledger: Ledger) -> None:
    parts = tuple(Plan(h, "toy", claims=(_claim(h),)) for h in ("cmp1", "cmp2"))
    _add(ledger, "stranger", _claim("cmp7"))
    with pytest.raises(Refused, match="stranger"):
        _add(ledger, "j", parts=parts)
    ledger.set_state("stranger", State.DONE)
    _add(ledger, "j", parts=parts)
    for job in ("j", "j.1", "j.2"):
        ledger.admit(9, 9)
        assert ledger.to_start() == [job]
        ledger.set_state(job, State.RUNNING)
        if job == "j":
            ledger.hand_on("j")
        else:
            ledger.admit(9, 9)
            assert ledger.to_start() == []
            assert list(_held(ledger).values()) == [job]
            ledger.set_state(job, State.DONE)
    ledger.set_state("j", State.DONE)
    ledger.start_undo("j", [])
    assert len(ledger.claims()) == 2

"""Ceph's answers about a host's OSDs, its flag, and whose flag that is."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.maintain import storage
from blue_wizard.maintain.actions import quiet
from blue_wizard.maintain.actions.quiet import Noout, NooutOff
from blue_wizard.reach.ceph_cli import Ceph

from .fakes import Context, FakeCeph

ARGS = {"cloud": "lab", "host": "cmp1", "bucket": "cmp1", "osds": [2]}


class Saying(FakeCeph):
    """Answers ok-to-stop as told."""

    def __init__(self, *answer: Any) -> None:
        super().__init__()
        self._answer = answer

    def run(self, *words: str, **_more: Any) -> tuple[int, str, str]:
        return cast(tuple[int, str, str], self._answer)


@pytest.mark.failure("b25")
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((0, '{"ok_to_stop":true,"osds":[2]}', ""), True),
        # Pacific says so in its JSON, older ones by their status and some words.
        ((16, '{"ok_to_stop":false,"osds":[2]}', "unsafe to stop osd(s)"), False),
        ((0, '{"ok_to_stop":false,"osds":[2]}', ""), False),
        ((0, "OSD(s) 2 are ok to stop\n", ""), True),
        ((16, "", "Error EBUSY: 35 PGs are already too degraded"), False),
    ],
)
def test_ok_to_stop(answer: tuple[int, str, str], expected: bool) -> None:
    assert storage.may_stop(cast(Ceph, Saying(*answer)), [2]) is expected


def test_no_answer_is_no_leave_to_stop() -> None:
    with pytest.raises(StepFailed):
        storage.may_stop(cast(Ceph, Saying(11, "", "Error EAGAIN: unknown pgs")), [2])
    assert storage.may_stop(cast(Ceph, Saying(11, "", "")), []) is True


@pytest.fixture
def ceph(monkeypatch: pytest.MonkeyPatch) -> FakeCeph:
    made = FakeCeph()
    monkeypatch.setattr(quiet, "Ceph", lambda _cloud: made)
    return made


def test_the_flag_has_a_lease_and_both_go_together(ceph: FakeCeph) -> None:
    ctx = Context()
    assert Noout().probe(ctx, ARGS) is None
    outcome = Noout().do(ctx, ARGS)
    Noout().verify(ctx, ARGS, outcome)
    (lease,) = storage.leases(cast(Ceph, ceph)).values()
    assert (lease.job, lease.host) == (ctx.job_id, "cmp1")
    assert lease.over(lease.until + 1)
    assert not lease.over(lease.since)
    Noout().undo(ctx, ARGS, outcome)
    assert (ceph.flags, ceph.keys) == ({}, {})


@pytest.mark.failure("b25")
def test_a_flag_of_somebody_else_stays(ceph: FakeCeph) -> None:
    ceph.flags["cmp1"] = ["noout"]
    outcome = Noout().probe(Context(), ARGS)
    assert outcome == {"ours": False, "bucket": "cmp1"}
    Noout().undo(Context(), ARGS, outcome)
    assert NooutOff().probe(Context(), {**ARGS, "job": "h-aaaaaa"}) == {"ours": False}
    assert ceph.flags == {"cmp1": ["noout"]}


def test_a_lease_without_its_flag_is_no_flag(ceph: FakeCeph) -> None:
    # A worker that is killed between the two leaves just the lease.
    ceph.keys["blue-wizard/maintenance/cmp1"] = json.dumps({"job": "h-aaaaaa", "host": "cmp1", "since": 1, "until": 2})
    ctx = Context()
    assert Noout().probe(ctx, ARGS) is None
    Noout().undo(ctx, ARGS, None)
    assert ceph.keys == {}

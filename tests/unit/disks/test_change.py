"""The verb of most steps, on a world that is played: what runs, what does not, what is taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from blue_wizard.disks import change, flags
from blue_wizard.disks.change import Change
from blue_wizard.disks.world import World, close, shown
from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Args, Context

from .context import Memory

OUT = {"on": "ceph", "argv": ["osd", "out", "3"]}
IN = {"on": "ceph", "argv": ["osd", "in", "3"]}
ARGS: dict[str, Any] = {
    "cloud": "lab", "host": "stor1", "osd": 3, "disk": "SN-B", "uuid": "u", "rebuild": False, "said": "mark it out",
    "commands": [OUT], "until": [{"is": "out"}], "back": [IN], "back_until": [{"is": "in"}],
}  # fmt: skip


class Played:
    """A world of one truth: in or out."""

    def __init__(self) -> None:
        self.out = False
        self.ran: list[str] = []
        self.works = True
        self.past = False

    def make(self, _ctx: Context, _args: Args) -> Played:
        return self

    def past_return(self) -> bool:
        return self.past

    def holds(self, conditions: Sequence[Mapping[str, Any]]) -> bool:
        return bool(conditions) and all((c["is"] == "out") == self.out for c in conditions)

    def carry_out(self, commands: Sequence[Mapping[str, Any]], done: Callable[[], bool]) -> None:
        for command in commands:
            if command.get("rest") and done():
                return
            self.ran.append(" ".join(command["argv"]))
            if self.works:
                self.out = command["argv"][1] == "out"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Played:
    played = Played()
    monkeypatch.setattr(change, "World", played.make)
    monkeypatch.setattr(change, "_AGAIN_S", 0.0)
    return played


def test_it_is_done_and_taken_back(world: Played) -> None:
    ctx = Memory()
    assert Change().probe(ctx, ARGS) is None
    assert Change().do(ctx, ARGS) == {"ours": True}
    Change().verify(ctx, ARGS, {})
    assert Change().probe(ctx, ARGS) == {"ours": True}
    Change().undo(ctx, ARGS, {"ours": True})
    assert world.ran == ["osd out 3", "osd in 3"]
    assert ("effect", "ceph osd out 3") in ctx.events


def test_what_was_so_before_is_not_taken_back(world: Played) -> None:
    world.out = True
    ctx = Memory()
    assert Change().probe(ctx, ARGS) == {"ours": False}
    Change().undo(ctx, ARGS, {"ours": False})
    assert world.ran == []
    assert world.out


def test_killed_between_effect_and_outcome(world: Played) -> None:
    """A repeated step finds its effect, and still knows that it is its own."""
    ctx = Memory()
    Change().do(ctx, ARGS)
    assert Change().probe(ctx, ARGS) == {"ours": True}
    Change().undo(ctx, ARGS, None)
    assert not world.out


def test_an_undo_that_was_killed_is_repeated(world: Played) -> None:
    ctx = Memory()
    Change().do(ctx, ARGS)
    Change().undo(ctx, ARGS, None)
    Change().undo(ctx, ARGS, None)
    assert world.ran == ["osd out 3", "osd in 3"]


def test_without_effect_it_fails_and_names_the_step(world: Played) -> None:
    world.works = False
    with pytest.raises(StepFailed, match="mark it out"):
        Change().do(Memory(), ARGS)


def test_past_the_point_of_no_return_nothing_is_taken_back(world: Played) -> None:
    """osd in of an OSD whose disk is gone would move data for nothing."""
    ctx = Memory()
    Change().do(ctx, ARGS)
    world.past = True
    with pytest.raises(StepFailed, match="can't come back"):
        Change().undo(ctx, ARGS, {"ours": True})
    assert world.ran == ["osd out 3"]
    assert Change().by_hand(ctx, ARGS, None) == "ceph osd in 3"


def test_where_there_is_no_way_back_the_way_on_is_tried_again(world: Played) -> None:
    world.works = False
    ctx = Memory()
    args = {**ARGS, "lost": "it is a new one"}
    with pytest.raises(StepFailed):
        Change().do(ctx, args)
    assert world.ran == ["osd out 3"] * 3
    assert sum(kind == "again" for kind, _text in ctx.events) == 2
    with pytest.raises(StepFailed, match="it is a new one"):
        Change().undo(ctx, args, None)
    assert Change().by_hand(ctx, args, None) == "ceph osd out 3"


def test_a_command_that_is_only_for_the_rest(world: Played) -> None:
    args = {**ARGS, "commands": [OUT, {"on": "host", "argv": ["never", "out"], "rest": True}]}
    Change().do(Memory(), args)
    assert world.ran == ["osd out 3"]


def test_no_condition_never_holds() -> None:
    assert not World.holds(object.__new__(World), [])


def test_how_commands_look() -> None:
    assert shown({"on": "ceph", "argv": ["osd", "out", "3"]}, "h") == "ceph osd out 3"
    assert shown({"on": "host", "argv": ["mkfs", "<new-disk:1>", "a b"]}, "h") == "h: mkfs <new-disk:1> 'a b'"
    assert shown({"on": "host", "argv": ["x", "-e", "A=<new-disk>"]}, "h") == "h: x -e A=<new-disk>"
    assert shown({"on": "host", "argv": ["x", "a > <new-disk>"]}, "h") == "h: x 'a > <new-disk>'"


def test_weights() -> None:
    assert close(1.81898, 1.819)
    assert not close(1.81898, 1.0)
    assert close(0.0, 0.0)


class _Flags:
    """A cluster of flags."""

    def __init__(self, *on: str) -> None:
        self.on = set(on)
        self.ran: list[str] = []
        self.ceph = self

    def make(self, _ctx: Context, _args: Args) -> _Flags:
        return self

    def cluster(self) -> Any:
        return type("C", (), {"flags": frozenset(self.on)})

    def check(self, *words: str) -> str:
        self.ran.append(" ".join(words))
        (self.on.add if words[1] == "set" else self.on.discard)(words[2])
        return ""


FLAGS: dict[str, Any] = {"cloud": "lab", "host": "h", "osd": 3, "flags": list(flags.FLAGS), "from": "flags"}


def test_flags_of_others_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    """a14."""
    cluster = _Flags("noout", "sortbitwise")
    monkeypatch.setattr(flags, "World", cluster.make)
    ctx = Memory()
    found = flags.SetFlags().do(ctx, FLAGS)
    assert "noout" not in found["ours"]
    assert set(flags.FLAGS) <= cluster.on
    flags.SetFlags().verify(ctx, FLAGS, found)
    ctx.outcomes["flags"] = found
    flags.RestoreFlags().do(ctx, FLAGS)
    flags.RestoreFlags().verify(ctx, FLAGS, {})
    assert cluster.on == {"noout", "sortbitwise"}
    unset = [r for r in cluster.ran if r.startswith("osd unset")]
    assert {u.split()[-1] for u in unset[:2]} == {"norecover", "nobackfill"}, "recovery is let go first"


def test_flags_after_a_crash_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is ours was noted before the first one was set: a repeated step does not take its own for somebody else's."""
    cluster = _Flags()
    monkeypatch.setattr(flags, "World", cluster.make)
    ctx = Memory()
    ctx.note("ours", list(flags.FLAGS))
    cluster.on = {"noout", "norecover"}
    assert flags.SetFlags().probe(ctx, FLAGS) is None
    found = flags.SetFlags().do(ctx, FLAGS)
    assert found["ours"] == list(flags.FLAGS)
    flags.SetFlags().undo(ctx, FLAGS, None)
    assert cluster.on == set()

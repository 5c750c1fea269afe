"""A job's log reads like a story, in the reader's language."""

from __future__ import annotations

import itertools
from typing import Any

from blue_wizard import text
from blue_wizard.report.story import events_text, sentence

NUMBERS = itertools.count(1)


def _event(kind: str, message: str, job: str = "j", step: str = "", **data: Any) -> dict[str, Any]:
    return {
        "seq": next(NUMBERS),
        "job": job,
        "step": step,
        "time": 1_000_000.0,
        "kind": kind,
        "message": message,
        "data": data,
    }


STORY = [
    _event("state", "queued", digest="d" * 64),
    _event("approval", "li@desk", digest="abcdef0123456789"),
    _event("state", "running"),
    _event("step", "running", step="s"),
    _event("gate", "Is the disk in?", step="s", deadline=1_000_600.0, otherwise="no"),
    _event("answer", "yes", step="s", who="wang", **{"from": "desk"}),
    _event("effect", "create port", step="s", name="a", network="n"),
    _event("call", "POST /ports", step="s", target="lab network", result="201 req-1", by="root@w"),
    _event("step", "failed", step="s", error="no room"),
    _event("traceback", "Traceback ...\n  File x\nKeyError: 'a'", step="s"),
    _event("signal", "rollback"),
    _event("claim", "maintenance", member="host:cmp1", domain="rack:r1"),
    _event("state", "paused", reason="waits", until=1_000_600.0),
]


def test_each_event_is_one_line_in_words_without_raw_data() -> None:
    lines = list(events_text(STORY, {("j", "s"): "make the port"}))
    assert len(lines) == len(STORY) + 1
    told = "\n".join(lines)
    for words in (
        "approved by li@desk (digest abcdef012345)",
        "make the port: asks: Is the disk in?",
        "wang answers from desk: yes",
        "create port (name a, network n)",
        "lab network: POST /ports -> 201 req-1",
        "failed: no room",
        "KeyError: 'a'",
        "asked to undo everything",
        "claims host:cmp1 in rack:r1 for maintenance",
    ):
        assert words in told
    assert not any(c in told for c in "{}=")


def test_jobs_are_named_only_where_there_are_several() -> None:
    assert "j.1" in "\n".join(events_text([_event("state", "done"), _event("state", "done", job="j.1")]))
    assert not any("j " in line for line in events_text([_event("state", "done")]))


def test_what_many_parts_come_into_at_once_is_told_once() -> None:
    lines = list(events_text([_event("state", "queued", job=f"j.{i}") for i in range(100)]))
    assert lines[1:] == [lines[1]]
    assert "100 parts: [queued]" in lines[1]
    several = [_event("state", "failed", job=f"j.{i}", error=f"for reason {i}") for i in range(9)]
    assert len(list(events_text(several))) == 10


def test_it_speaks_chinese_and_knows_kinds_of_later_versions() -> None:
    text.use("zh")
    assert sentence(_event("answer", "yes", who="王", **{"from": "desk"})).startswith("王")
    assert sentence(_event("no-such-kind", "words", a=1)) == "words (a 1)"

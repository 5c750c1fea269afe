"""Runs checks on facts. A fact that can't be had makes its checks unknown, never good."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from blue_wizard.inspect.collect import kinds
from blue_wizard.inspect.facts import Everywhere, Facts, Missing, Reached, is_host_fact
from blue_wizard.inspect.model import Check, Finding
from blue_wizard.text import _

__all__ = ["Outcome", "Run", "Status", "judge", "run"]


class Status(StrEnum):
    """What came of a check. `SKIPPED`: there is nothing here that it applies to."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Outcome:
    """A check with what it found. `known` is the share of what it should have looked at that it could look at (0 to 1)."""

    check: Check
    status: Status
    findings: tuple[Finding, ...] = ()
    unknown: tuple[str, ...] = ()
    known: float = 1.0
    took_s: float = 0.0


@dataclass(frozen=True)
class Run:
    """One inspection. `started` in Unix seconds."""

    started: float
    took_s: float
    outcomes: tuple[Outcome, ...]


_FIRST = 0.8
"""The share of the time that the first reading may take."""

Collect = Callable[[Collection[Any], float], Facts]


def run(
    checks: Sequence[Check],
    collect: Collect,
    *,
    deadline_s: float,
    settle_s: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Run:
    """All checks. What a check with `reread` finds must be there again, on facts that are read `settle_s` later.

    `collect` reads facts of the given types until a moment of the monotonic clock.
    """
    began, started = time.monotonic(), time.time()
    until = began + deadline_s
    # A host that does not answer must not use up the time in which others could be read again.
    outcomes = judge(checks, collect(kinds(checks), began + deadline_s * _FIRST))
    doubtful = [o.check for o in outcomes if o.check.reread and o.findings]
    if doubtful:
        sleep(min(settle_s, max(0.0, until - time.monotonic()) / 3))
        again = {o.check.id: o for o in judge(doubtful, collect(kinds(doubtful), until))}
        outcomes = [_both(o, again[o.check.id]) if o.check.id in again else o for o in outcomes]
    return Run(started, time.monotonic() - began, tuple(outcomes))


def _both(first: Outcome, second: Outcome) -> Outcome:
    """What was there both times. Where the second look failed, nothing may be said."""
    before = {(f.object, f.host) for f in first.findings}
    stayed = tuple(f for f in second.findings if (f.object, f.host) in before)
    unknown = second.unknown
    status = Status.FAIL if stayed else Status.UNKNOWN if unknown else Status.PASS
    return Outcome(first.check, status, stayed, unknown, second.known, first.took_s + second.took_s)


def judge(checks: Iterable[Check], facts: Facts) -> list[Outcome]:
    """What the checks find in these facts. A check that looks at one host at a time is asked for each."""
    return [_judge(check, facts) for check in checks]


def _judge(check: Check, facts: Facts) -> Outcome:
    began = time.perf_counter()
    findings: list[Finding] = []
    unknown: list[str] = []
    share: list[float] = []
    by_host = any(is_host_fact(kind) for kind in check.needs)
    if by_host and not facts.hosts:
        unknown.append(_("no host could be asked"))
        share.append(0.0)
    for host in facts.hosts if by_host else ("",):
        given = [facts.at(host, kind) for kind in check.needs]
        if any(fact is None for fact in given):
            continue
        lost = [fact.why for fact in given if isinstance(fact, Missing)]
        if lost:
            unknown.append(f"{host}: {lost[0]}" if host else lost[0])
            share.append(0.0)
            continue
        try:
            made = [_placed(f, host) for f in check.look(*given)]
        except Exception as e:
            # A fault of the check says nothing about the platform.
            unknown.append(f"{host} {type(e).__name__}: {e}".strip())
            share.append(0.0)
            continue
        findings += made
        partly = [fact for fact in given if isinstance(fact, Everywhere | Reached)]
        unknown += [f"{name}: {why}" for fact in partly for name, why in fact.missing.items()]
        share.append(min([_share(fact) for fact in partly], default=1.0))
    status = Status.SKIPPED if not share else Status.FAIL if findings else Status.UNKNOWN if unknown else Status.PASS
    known = sum(share) / len(share) if share else 1.0
    took = time.perf_counter() - began
    return Outcome(check, status, tuple(findings), tuple(dict.fromkeys(unknown)), known, took)


def _share(fact: Everywhere[Any] | Reached) -> float:
    known = len(fact.at if isinstance(fact, Everywhere) else fact.hosts)
    asked = known + len(fact.missing)
    return known / asked if asked else 1.0


def _placed(finding: Finding, host: str) -> Finding:
    """With its host, where the check looked at one."""
    if not host or finding.host:
        return finding
    return replace(finding, host=host)

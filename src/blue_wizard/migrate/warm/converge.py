"""Rounds until what is left fits the downtime that was allowed."""

from __future__ import annotations

from collections.abc import Callable

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.warm.budget import Check, Estimate, Round, estimate
from blue_wizard.migrate.warm.rounds import Means, run_round
from blue_wizard.text import _

__all__ = ["converge", "first_copy"]

_TRIES = 3
_REST_S = 20.0


def first_copy(means: Means, *, budget_s: float, bound: int, check: Check, rest: Callable[[float], None]) -> Estimate:
    """The full copy, a round that also compares all of it, and rounds until an estimate fits; at most `bound` after the first.

    What the comparison finds, it finds while the guest still runs, and it tells how long the one at the cut-over takes.
    """
    if not means.recall()["rounds"]:
        _round(means, None, rest)
    if len(means.recall()["rounds"]) < 2:
        _round(means, "whole", rest)
    return converge(means, budget_s=budget_s, bound=bound + 1, check=check, rest=rest)


def converge(means: Means, *, budget_s: float, bound: int, check: Check, rest: Callable[[float], None]) -> Estimate:
    """Rounds until the estimate fits, or can't get shorter, or there have been `bound` rounds; what it is then.

    There have been two rounds before.
    """
    while True:
        rounds = [Round.from_json(r) for r in means.recall()["rounds"]]
        now = estimate(rounds, check)
        assert now is not None, "nothing was copied yet"
        if now.seconds <= budget_s or now.floor_s > budget_s or len(rounds) >= bound:
            return now
        _round(means, None, rest)


def _round(means: Means, check: Check | None, rest: Callable[[float], None]) -> None:
    """One round; what it can't do it tries again, since it would carry on where it was, and hours may be behind it."""
    for attempt in range(1, _TRIES + 1):
        try:
            run_round(means, check=check)
        except StepFailed as e:
            if attempt == _TRIES:
                raise
            means.tell("warning", _("The round is tried again: {error}").format(error=e.message))
            rest(_REST_S)
        else:
            return

"""How a case is written: ``case("nova.server-error", bad=[...facts], finds=["id"], good=[...facts])``.

A fact of the platform is given as it is, a fact of a host by `at("cmp1", fact)`. Facts that a check needs and a case does not
give are empty ones of their type.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blue_wizard.inspect import collect
from blue_wizard.inspect.facts import Everywhere, Facts, is_host_fact
from blue_wizard.inspect.model import Check, Now

collect.register()

NOW = 1_800_000_000.0
HOUR = 3600.0
DAY = 86400.0


@dataclass(frozen=True)
class At:
    """A fact of a host."""

    host: str
    fact: object


def at(host: str, fact: object) -> At:
    """A fact of a host."""
    return At(host, fact)


@dataclass(frozen=True)
class Case:
    """`finds`: the objects of the findings in `bad`, or these with their severities."""

    bad: Sequence[object]
    finds: Sequence[str] | Mapping[str, str]
    good: Sequence[object]


CASES: dict[str, Case] = {}


def case(id_: str, *, bad: Sequence[object], finds: Sequence[str] | Mapping[str, str], good: Sequence[object]) -> None:
    """Register the case of a check."""
    assert id_ not in CASES
    CASES[id_] = Case(bad, finds, good)


def facts_for(check: Check, given: Sequence[object]) -> Facts:
    """The facts that a check is judged on."""
    made = Facts(Now(NOW))
    wanted = [typing.get_args(k)[0] if typing.get_origin(k) is Everywhere else k for k in check.needs]
    for one in given:
        if isinstance(one, At):
            made.hosts.setdefault(one.host, {})[type(one.fact)] = one.fact
        else:
            made.whole[type(one)] = one
    known = {*made.whole, *(kind for facts in made.hosts.values() for kind in facts)}
    left_over = known - set(wanted)
    assert not left_over, f"the check does not look at {left_over}"
    for kind in wanted:
        if kind is Now or kind in known:
            continue
        assert not is_host_fact(kind), f"give {kind.__name__} by at(...)"
        made.whole[kind] = kind()
    return made

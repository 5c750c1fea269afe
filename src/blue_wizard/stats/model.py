"""What a statistic and a table are, how they are registered, and what a report of them holds. No I/O."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from blue_wizard import plugins
from blue_wizard.stats.platform import Missing, Platform

__all__ = [
    "Column",
    "Problem",
    "Report",
    "Sheet",
    "Statistic",
    "Table",
    "Topic",
    "Unit",
    "Value",
    "evaluate",
    "statistic",
    "statistics",
    "table",
    "tables",
    "topic",
    "topics",
]


class Unit(StrEnum):
    """What a number counts. `BYTES`, `SECONDS` and `PERCENT` (0 to 100) are base units: reports make them readable."""

    COUNT = "count"
    VCPU = "vcpus"
    BYTES = "bytes"
    PERCENT = "percent"
    RATIO = "ratio"
    DAYS = "days"
    TEXT = "text"
    BOOL = "bool"


@dataclass(frozen=True)
class Problem:
    """Something that could not be read, and why: what makes a report a partial one."""

    what: str
    why: str


Number = int | float | bool | None


@dataclass(frozen=True)
class Statistic:
    """One number about the whole platform.

    `compute` gives None where the number does not exist (the share of nothing); its docstring says formula and source.
    `kept`: it goes into the history.
    """

    id: str
    topic: str
    title: Callable[[], str]
    unit: Unit
    compute: Callable[[Platform], Number]
    kept: bool = True

    @property
    def formula(self) -> str:
        """The docstring of `compute`, as one paragraph."""
        return " ".join((self.compute.__doc__ or "").split())


@dataclass(frozen=True)
class Column:
    """A column of a table; `key` is the field of its rows."""

    key: str
    title: str
    unit: Unit = Unit.TEXT


@dataclass(frozen=True)
class Table:
    """One line an object. `chart` names the columns that are drawn as bars; `labels` those that name a line among all others,
    for exports as metrics (none: the table is not exported so, for it would make too many series)."""

    id: str
    topic: str
    title: Callable[[], str]
    columns: Callable[[], Sequence[Column]]
    rows: Callable[[Platform], Iterable[Mapping[str, Any]]]
    chart: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def about(self) -> str:
        """The docstring of `rows`, as one paragraph."""
        return " ".join((self.rows.__doc__ or "").split())


@dataclass(frozen=True)
class Value:
    """A statistic with its number; `unknown` says what could not be read for it ("" when it is known).

    `before` is what it was at the moment that the report compares with (None: not known, or nothing is compared).
    """

    statistic: Statistic
    number: Number
    unknown: str = ""
    before: float | None = None


@dataclass(frozen=True)
class Sheet:
    """A table with its lines."""

    table: Table
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Any], ...]
    unknown: str = ""


@dataclass(frozen=True)
class Report:
    """What one run found. `problems` is empty when everything could be read; `notes` are what a reader must know besides.

    `moment` is in epoch seconds; `calls` counts the requests to APIs; `asked_s` are the seconds that each listing took.
    `since` is the moment that values are compared with (None: nothing is). `titles` are the topics in their order, by id.
    """

    cloud: str
    moment: float
    took_s: float
    calls: int
    values: tuple[Value, ...]
    sheets: tuple[Sheet, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    forecasts: tuple[Any, ...] = ()
    asked_s: Mapping[str, float] = field(default_factory=dict)
    since: float | None = None
    titles: Mapping[str, str] = field(default_factory=dict)

    @property
    def partial(self) -> bool:
        """Whether something is missing from it."""
        return bool(self.problems)


@dataclass(frozen=True)
class Topic:
    """A word of the command line, its title, and the listings that its statistics and tables need. Small ranks come first."""

    id: str
    title: Callable[[], str]
    needs: tuple[str, ...]
    rank: int


_topics: dict[str, Topic] = {}
_statistics: dict[str, Statistic] = {}
_tables: dict[str, Table] = {}


def topic(id_: str, title: Callable[[], str], *needs: str, rank: int = 100) -> None:
    """Register a topic. `needs` are names of `listings.LISTINGS`, ``providers`` and ``ceph``."""
    _topics[id_] = Topic(id_, title, needs, rank)


def _rank(id_: str) -> int:
    found = _topics.get(id_)
    return found.rank if found else 100


def statistic(
    id_: str, unit: Unit, title: Callable[[], str], *, kept: bool = True
) -> Callable[[Callable[[Platform], Number]], Callable[[Platform], Number]]:
    """Register a statistic. Its topic is the word before the first dot of its id."""

    def register(compute: Callable[[Platform], Number]) -> Callable[[Platform], Number]:
        _statistics[id_] = Statistic(id_, id_.partition(".")[0], title, unit, compute, kept)
        return compute

    return register


def table(
    id_: str,
    topic: str,
    title: Callable[[], str],
    columns: Callable[[], Sequence[Column]],
    *,
    chart: tuple[str, ...] = (),
    labels: tuple[str, ...] = (),
) -> Callable[[Callable[[Platform], Iterable[Mapping[str, Any]]]], Callable[[Platform], Iterable[Mapping[str, Any]]]]:
    """Register a table by the function that makes its rows."""

    def register(
        rows: Callable[[Platform], Iterable[Mapping[str, Any]]],
    ) -> Callable[[Platform], Iterable[Mapping[str, Any]]]:
        _tables[id_] = Table(id_, topic, title, columns, rows, chart, labels)
        return rows

    return register


def _load() -> None:
    from blue_wizard.stats import tables as folder

    for module in sorted(pkgutil.iter_modules(folder.__path__), key=lambda m: m.name):
        importlib.import_module(f"{folder.__name__}.{module.name}")
    plugins.load_named()


def statistics() -> tuple[Statistic, ...]:
    """All statistics, by topic: those of `stats/tables/`, then those of `BLUE_WIZARD_PLUGINS`."""
    _load()
    return tuple(sorted(_statistics.values(), key=lambda s: _rank(s.topic)))


def tables() -> tuple[Table, ...]:
    """All tables, in the same order."""
    _load()
    return tuple(sorted(_tables.values(), key=lambda t: _rank(t.topic)))


def topics() -> dict[str, Topic]:
    """The words that `blue-wizard stats TOPIC` takes."""
    _load()
    return dict(sorted(_topics.items(), key=lambda t: t[1].rank))


def evaluate(platform: Platform, wanted: Iterable[str] = ()) -> tuple[tuple[Value, ...], tuple[Sheet, ...]]:
    """All statistics and tables of the wanted topics (none: of all). What can't be known says so, and hides no other."""
    chosen = set(wanted) or set(topics())
    values = tuple(_value(s, platform) for s in statistics() if s.topic in chosen)
    return values, tuple(_sheet(t, platform) for t in tables() if t.topic in chosen)


def _value(one: Statistic, platform: Platform) -> Value:
    try:
        return Value(one, one.compute(platform))
    except Missing as e:
        return Value(one, None, e.what)


def _sheet(one: Table, platform: Platform) -> Sheet:
    columns = tuple(one.columns())
    try:
        return Sheet(one, columns, tuple(one.rows(platform)))
    except Missing as e:
        return Sheet(one, columns, (), e.what)

"""An inspection for the terminal: the verdict, what is new, what to do; and its checks and waivers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from blue_wizard import text
from blue_wizard.report.out import table
from blue_wizard.text import _, translated
from blue_wizard.units import seconds_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from blue_wizard.inspect.history import Waiver
    from blue_wizard.inspect.model import Check
    from blue_wizard.inspect.result import Inspection, Row

__all__ = ["check_data", "checks_table", "explanation", "inspection_tables", "marks", "page", "reasons", "verdict", "waivers_table",
           "words"]  # fmt: skip

_ENOUGH = 80.0
"""Less coverage (percent) than this makes a score incomplete."""
_FEW = 3
_MANY = 5
"""So many findings of one check are shown one by one; of more, the first ones and their number."""


def words() -> dict[str, str]:
    """The words for severities and statuses."""
    return {
        "critical": _("critical"),
        "warning": _("warning"),
        "info": _("info"),
        "pass": _("pass"),
        "fail": _("fail"),
        "unknown": _("unknown"),
        "skipped": _("not applicable"),
    }


def marks(row: Row) -> str:
    """What is special about a finding, in a word or two."""
    found = []
    if row.waiver:
        found.append(_("waived until {day}").format(day=_day(row.waiver.until)))
    if row.new:
        found.append(_("new"))
    if row.flapping:
        found.append(_("comes and goes"))
    return ", ".join(found)


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


def inspection_tables(found: Inspection) -> Iterable[RenderableType]:
    """All that a person needs: the findings that count, gravest first; then in a line each what else there is."""
    names = words()
    shown = [r for r in found.rows if r.counts]
    if shown:
        columns = (_("severity"), _("check"), _("host"), _("finding"), _("since"))
        yield table(columns, _finding_rows(shown, names))
        yield _("What to do:")
        for check, remedy in _remedies(shown):
            yield f"  {check}: {remedy}"
    else:
        yield _("Nothing was found.")
    because = Counter(r.because for r in found.rows if r.because)
    for cause, count in sorted(because.items()):
        yield _("{count} more follow from {check}.").format(count=count, check=cause)
    waived = sum(r.waiver is not None for r in found.rows)
    if waived:
        yield _("{count} are waived (blue-wizard inspect waivers).").format(count=waived)
    for gone in found.gone:
        yield _("Gone since the last inspection: {check} {message}").format(check=gone.check, message=gone.message)
    unlooked = reasons(found)
    if unlooked:
        yield table((_("could not look"), _("checks")), [(why, _some(checks)) for why, checks in unlooked])
    yield verdict(found)


def reasons(found: Inspection) -> list[tuple[str, list[str]]]:
    """Why something could not be looked at, each reason once with the checks that it kept from looking; the commonest first."""
    by_reason: dict[str, list[str]] = {}
    for o in found.outcomes:
        for why in o.unknown:
            by_reason.setdefault(why, []).append(o.check.id)
    return sorted(by_reason.items(), key=lambda r: -len(r[1]))


def _some(checks: Sequence[str]) -> str:
    some = ", ".join(checks[:_FEW])
    return some if len(checks) <= _FEW else _("{checks} and {count} more").format(checks=some, count=len(checks) - _FEW)


def page(check: Check) -> str:
    """The check's page in the language in force."""
    return check.runbook.replace(".md", ".zh.md") if text.current() == "zh" else check.runbook


def verdict(found: Inspection) -> str:
    """The whole in one line. A score is not worth much where little could be looked at, and that is said."""
    names = words()
    counted = ", ".join(f"{names[s.value]} {n}" for s, n in found.counted().items() if n) or _("no finding")
    form = _("Score of 100: {score} · coverage {coverage} % · {counted} · {checks} checks · {took}")
    line = form.format(
        score=f"{found.score:g}{f' ({found.change:+g})' if found.change else ''}",
        coverage=f"{found.coverage:g}",
        counted=counted,
        checks=len(found.outcomes),
        took=seconds_text(found.took_s),
    )
    if found.coverage >= _ENOUGH:
        return line
    return _("{verdict} · incomplete: too little could be looked at").format(verdict=line)


def _finding_rows(rows: Sequence[Row], names: dict[str, str]) -> Iterable[tuple[object, ...]]:
    counts = Counter((r.check.id, r.severity) for r in rows)
    told: Counter[tuple[str, str]] = Counter()
    for r in rows:
        key = (r.check.id, r.severity)
        told[key] += 1
        if told[key] > _MANY:
            if told[key] == _MANY + 1:
                more = _("and {count} more (-o json shows all)").format(count=counts[key] - _MANY)
                yield names[r.severity.value], r.check.id, "", more, ""
            continue
        since = f"{_day(r.first_seen)} {marks(r)}".strip()
        yield names[r.severity.value], r.check.id, r.finding.host or None, r.finding.message, since


def _remedies(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """One remedy a check: that of its first finding."""
    found: dict[str, str] = {}
    for r in rows:
        found.setdefault(r.check.id, r.remedy)
    return list(found.items())


class _Names(dict[str, str]):
    """Stands for what only a finding would know."""

    def __missing__(self, key: str) -> str:
        return key.upper()


def _remedy(check: Check) -> str:
    return translated(check.remedy).format_map(_Names())


def check_data(check: Check) -> dict[str, Any]:
    """A check as JSON data."""
    return {
        "id": check.id,
        "title": translated(check.title),
        "severity": check.severity.value,
        "profile": check.profile.value,
        "remedy": _remedy(check),
        "under": list(check.under),
        "read_twice": check.reread,
        "runbook": check.runbook,
    }


def checks_table(checks: Sequence[Check]) -> Iterable[RenderableType]:
    """All checks."""
    names = words()
    rows = [(c.id, names[c.severity.value], c.profile.value, translated(c.title)) for c in checks]
    yield table((_("check"), _("severity"), _("profile"), _("finds")), rows)
    yield _("{count} checks. One of them: blue-wizard inspect explain CHECK").format(count=len(checks))


def explanation(check: Check) -> Iterable[RenderableType]:
    """One check."""
    names = words()
    yield f"{check.id}: {translated(check.title)}"
    yield _("severity: {severity} · profile: {profile}").format(
        severity=names[check.severity.value], profile=check.profile.value
    )
    if check.under:
        yield _("explained by: {checks}").format(checks=", ".join(check.under))
    if check.reread:
        yield _("It is read twice before it is told.")
    yield _("What to do: {remedy}").format(remedy=_remedy(check))
    yield _("More: {page}").format(page=page(check))


def waivers_table(rows: Sequence[Waiver]) -> RenderableType:
    """Waivers."""
    columns = (_("waiver"), _("check"), _("object"), _("until"), _("who"), _("reason"))
    return table(columns, [(w.id, w.check, w.object, _day(w.until), w.who, w.reason) for w in rows])

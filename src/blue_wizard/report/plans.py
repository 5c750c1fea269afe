"""How plans look on a terminal: what, where, why, how long, and what can't be undone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from blue_wizard.jobs.model import Plan, Risk
from blue_wizard.report.names import risk_text
from blue_wizard.report.out import table
from blue_wizard.text import _
from blue_wizard.units import seconds_text

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["plan_seconds", "plan_tables"]

_MANY = 10


def plan_tables(plan: Plan, *, total: int | None = None, per_target: int | None = None) -> Iterable[RenderableType]:
    """A plan as a person reads it in a minute. Of many parts a summary comes first, and those with the same steps are told once.

    `total` and `per_target` are the limits that the estimate of the time is made with (unset: those of the configuration).
    """
    from rich.text import Text

    from blue_wizard import config

    limits = config.load().limits
    total, per_target = total or limits.total, per_target or limits.per_target
    if len(plan.children) > _MANY:
        yield _summary(plan)
    shown = set[tuple[str, ...]]()
    for one in plan.walk():
        if not one.steps:
            continue
        shape = tuple(s.verb for s in one.steps)
        if len(plan.children) > _MANY and one is not plan and shape in shown:
            continue
        shown.add(shape)
        yield _steps(one)
        for i, s in enumerate(one.steps, start=1):
            if s.gate:
                yield Text(_("Before step {number} it asks: {question}").format(number=i, question=s.gate.question))
    checks = [p for one in plan.walk() for p in one.preconditions]
    if checks:
        rows = [("✓" if p.holds else "✗", p.title, p.detail or None) for p in checks]
        yield table(("", _("precondition"), _("found")), rows)
    yield from map(Text, _lines(plan, total, per_target))


def _steps(plan: Plan) -> RenderableType:
    rows = [
        (i, s.title, s.why or None, risk_text(s.risk), seconds_text(s.seconds), s.irreversible or None)
        for i, s in enumerate(plan.steps, start=1)
    ]
    columns = ("#", _("step"), _("why"), _("risk"), _("about"), _("can't be undone"))
    where = f"  @ {plan.target}" if plan.target else ""
    return table(columns, rows, title=f"{plan.title}{where}".replace("[", "\\["))


def _summary(plan: Plan) -> RenderableType:
    rows = [
        (
            c.title,
            c.target or None,
            len(c.steps),
            risk_text(max((s.risk for s in c.steps), key=list(Risk).index, default=Risk.NONE)),
            seconds_text(plan_seconds(c)),
            sum(bool(s.irreversible) for s in c.steps) or None,
        )
        for c in plan.children
    ]
    columns = (_("part"), _("where"), _("steps"), _("risk"), _("about"), _("can't be undone"))
    title = _("{plan}: {count} parts").format(plan=plan.title, count=len(plan.children))
    return table(columns, rows, title=title.replace("[", "\\["))


def _lines(plan: Plan, total: int, per_target: int) -> Iterable[str]:
    seconds = plan_seconds(plan, total=total, per_target=per_target)
    if seconds:
        text = _("Takes about {time} in all, {total} parts at a time and {per_target} per place.")
        alone = _("Takes about {time} in all.")
        chosen = text if plan.children else alone
        yield chosen.format(time=seconds_text(seconds), total=total, per_target=per_target)
    names = sorted({one.window for one in plan.walk() if one.window})
    if names:
        yield _("Risky steps begin only in the maintenance window: {names}").format(names=", ".join(names))
    claims = [c for one in plan.walk() for c in one.claims]
    if claims:
        told = ", ".join(f"{c.member} ({c.domain}, {c.kind}, <= {c.most})" for c in claims)
        yield _("Claims in failure domains: {claims}").format(claims=told)
    # Parts without a sentence of their own hold to the one above them.
    for title in dict.fromkeys(one.invariant.title for one in plan.walk() if one.invariant):
        yield _("Kept at all times: {invariant}").format(invariant=title)
    yield _("Digest: {digest}").format(digest=plan.digest[:16])


def plan_seconds(plan: Plan, *, total: int = 1, per_target: int = 1) -> float:
    """About how long a plan takes (seconds): its own steps, then its parts side by side within the limits (pure).

    The longest part, all parts over the places there are, and all of one target over its places: the greatest of the three
    counts (Graham's lower bound for list scheduling, with the limit of a target as a bound of its own).
    """
    own = sum(s.seconds or 0.0 for s in plan.steps)
    times = [(c.target, plan_seconds(c, total=total, per_target=per_target)) for c in plan.children]
    if not times:
        return own
    targets = {t for t, _s in times if t}
    bounds = [max(s for _t, s in times), sum(s for _t, s in times) / total]
    bounds += [_of(times, t) / per_target for t in targets]
    return own + max(bounds)


def _of(times: Sequence[tuple[str, float]], target: str) -> float:
    return sum(s for t, s in times if t == target)

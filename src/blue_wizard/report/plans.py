"""How plans look on a terminal: what, where, why, how long, and what can't be undone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from blue_wizard.jobs import lanes
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
        yield from map(Text, _side_by_side(one))
        for i, s in enumerate(one.steps, start=1):
            if s.gate:
                yield Text(_("Before step {number} it asks: {question}").format(number=i, question=s.gate.question))
    checks = [p for one in plan.walk() for p in one.preconditions]
    if checks:
        rows = [("✓" if p.holds else "✗", p.title, p.detail or None) for p in checks]
        yield table(("", _("precondition"), _("found")), rows)
    yield from map(Text, _lines(plan, total, per_target, limits.kinds))


def _side_by_side(plan: Plan) -> Iterable[str]:
    for block in lanes.blocks(plan.steps):
        if len(block) > 1:
            positions = [i for lane in block for i in lane]
            text = _("Steps {first} to {last} run side by side, {count} at once.")
            yield text.format(first=min(positions) + 1, last=max(positions) + 1, count=len(block))


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


def _lines(plan: Plan, total: int, per_target: int, kinds: Mapping[str, int]) -> Iterable[str]:
    seconds = plan_seconds(plan, total=total, per_target=per_target, kinds=kinds)
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


def plan_seconds(
    plan: Plan, *, total: int = 1, per_target: int = 1, kinds: Mapping[str, int] = MappingProxyType({})
) -> float:
    """About how long a plan takes (seconds): its own steps, then its parts side by side within the limits (pure).

    The longest part, all parts over the places there are, all of one target over its places, and all that use one thing
    over the places of its kind: the greatest of them counts (Graham's lower bound for list scheduling, with each limit as a
    bound of its own).
    """
    own = lanes.seconds(plan.steps)
    parts = [(c, plan_seconds(c, total=total, per_target=per_target, kinds=kinds)) for c in plan.children]
    if not parts:
        return own
    return own + max(max(seconds for _part, seconds in parts), *_bounds(parts, total, per_target, kinds))


def _bounds(
    parts: Sequence[tuple[Plan, float]], total: int, per_target: int, kinds: Mapping[str, int]
) -> Iterable[float]:
    yield sum(seconds for _part, seconds in parts) / total
    for target in {part.target for part, _s in parts if part.target}:
        yield sum(seconds for part, seconds in parts if part.target == target) / per_target
    for used in {u for part, _s in parts for u in part.uses}:
        places = kinds.get(used.partition(":")[0])
        if places:
            yield sum(seconds for part, seconds in parts if used in part.uses) / places

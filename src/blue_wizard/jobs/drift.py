"""A plan is made again right before it runs: what has changed since a person looked at it refuses the run."""

from __future__ import annotations

from blue_wizard.errors import Refused
from blue_wizard.jobs.model import Claim, Plan, Step
from blue_wizard.text import _

__all__ = ["changes", "refuse_drift"]


def changes(old: Plan, new: Plan) -> list[str]:
    """What differs between two plans, a line a step: gone (-), new (+), otherwise (~), or in another order (pure)."""
    # One of them may come out of the ledger: JSON knows no tuples.
    before, after = (_steps(Plan.from_json(p.as_json())) for p in (old, new))
    lines = [f"- {k}: {s.title}" for k, s in before.items() if k not in after]
    lines += [f"+ {k}: {s.title}" for k, s in after.items() if k not in before]
    for k in before.keys() & after.keys():
        lines += [f"~ {k}: {text}" for text in _differences(before[k], after[k])]
    plans = [{p.title: p for p in plan.walk()} for plan in (old, new)]
    for title in plans[0].keys() & plans[1].keys():
        lines += [f"~ {title}: {text}" for text in _bindings(plans[0][title], plans[1][title])]
    if not lines and old.digest != new.digest:
        lines.append(_("the order of the steps, or where they run, is another one"))
    return sorted(lines)


def refuse_drift(seen: Plan, now: Plan) -> None:
    """Raise Refused, with the differences, unless both plans do the same."""
    if seen.digest != now.digest:
        lines = "\n".join(f"  {line}" for line in changes(seen, now))
        raise Refused(
            _("The plan has changed meanwhile:\n{changes}").format(changes=lines),
            _("Look at the new plan, and run that one."),
        )


def _steps(plan: Plan) -> dict[str, Step]:
    return {f"{p.title}/{s.id}": s for p in plan.walk() for s in p.steps}


def _bindings(old: Plan, new: Plan) -> list[str]:
    """What else an approval binds to: what the plan loads, claims and releases, and its window."""
    found = []
    for name in ("uses", "claims", "releases"):
        was, now = (", ".join(sorted(map(str, _plain(p, name)))) or "-" for p in (old, new))
        if was != now:
            found.append(f"{name}: {was} -> {now}")
    if old.window != new.window:
        found.append(f"window: {old.window or '-'} -> {new.window or '-'}")
    return found


def _plain(plan: Plan, name: str) -> list[str]:
    if name == "uses":
        return list(plan.uses)
    claims: tuple[Claim, ...] = getattr(plan, name)
    return [f"{c.member} ({c.domain}, {c.kind}, <= {c.most}{', kept' if c.keep else ''})" for c in claims]


def _differences(old: Step, new: Step) -> list[str]:
    found = [] if old.verb == new.verb else [f"{old.verb} -> {new.verb}"]
    for key in sorted(old.args.keys() | new.args.keys()):
        was, now = old.args.get(key), new.args.get(key)
        if was != now:
            found.append(f"{key}: {was!r} -> {now!r}")
    if sorted(old.locks) != sorted(new.locks):
        found.append(f"locks: {', '.join(old.locks)} -> {', '.join(new.locks)}")
    return found

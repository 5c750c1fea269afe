"""What has to hold before an OSD is touched. Pure: judges a view."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from blue_wizard.disks import safety
from blue_wizard.disks.layouts import Layout
from blue_wizard.disks.view import View
from blue_wizard.errors import Refused
from blue_wizard.jobs.model import Precondition
from blue_wizard.text import _

__all__ = ["Finding", "check", "judge"]

_OURS = frozenset({"noout", "nodeep-scrub", "norebalance", "norecover", "nobackfill"})
_BLOCKING = frozenset({"norebalance", "norecover", "nobackfill", "nodown", "pauserd", "pausewr"})


@dataclass(frozen=True)
class Finding:
    """One precondition, and the figures that it was judged on."""

    title: str
    holds: bool
    detail: str = ""

    def as_precondition(self) -> Precondition:
        """The form that stands in a plan."""
        return Precondition(self.title, self.holds, self.detail)


def check(view: View, made: Layout, *, drain: bool, together: Collection[int] = ()) -> list[Finding]:
    """All preconditions. `drain`: an OSD that serves may be emptied; `together` are other OSDs of the same job."""
    cluster, osd = view.cluster, view.osd
    ours = {osd.id, *together}
    identity = view.identity
    proofs = "; ".join(f"{p.kind}: {p.detail}" for p in identity.proofs)
    found = [
        Finding(
            _("the disk of osd.{id} is proved by two sides").format(id=osd.id),
            identity.proved,
            identity.problem or proofs,
        ),
        Finding(
            _("osd.{id} is down").format(id=osd.id),
            not osd.up or drain,
            ""
            if not osd.up
            else _("it serves, and is emptied first")
            if drain
            else _("it is up; say --drain if its disk is failing"),
        ),
        _verdict(_("a majority of monitors, with one to spare"), safety.quorum(cluster)),
        _verdict(_("no other OSD is down that may share PGs with it"), safety.others_down(cluster, ours)),
        _inactive(view),
        _fullness(view, ours),
        _flags(view),
        _single(view),
    ]
    if view.rebuild and identity.gone:
        found.append(Finding(_("its disk is there"), False, _("there is nothing to rebuild on: use osd replace")))
    if not identity.gone and identity.disk is None and identity.proved:
        found.append(Finding(_("its disk is there"), False, _("its proofs name no disk")))
    problems = made.problems(view)
    found += [Finding(_("{type} can do it").format(type=made.name), False, p) for p in problems]
    return found


def _verdict(title: str, verdict: safety.Verdict) -> Finding:
    return Finding(title, verdict.ok, verdict.reason)


def _inactive(view: View) -> Finding:
    down = [o.id for o in view.cluster.osds.values() if not o.up]
    reason = safety.broken(view.cluster, [view.osd.id], accepted=down)
    return Finding(_("all PGs are active, with at least min_size OSDs"), not reason, reason)


def _fullness(view: View, osds: Collection[int]) -> Finding:
    foreseen = safety.forecast(view.cluster, osds)
    title = _("there is room for its data")
    if foreseen.homeless:
        text = _("{count} PGs would find no other failure domain: {pgs}")
        return Finding(title, False, text.format(count=len(foreseen.homeless), pgs=", ".join(foreseen.homeless[:5])))
    text = _("osd.{id} would be the fullest with {ratio:.0%}; backfill stops at {limit:.0%}")
    told = text.format(id=foreseen.fullest, ratio=foreseen.ratio, limit=foreseen.limit)
    return Finding(title, foreseen.fits, told if foreseen.fullest is not None else _("no OSD is left"))


def _flags(view: View) -> Finding:
    """Flags of others stay; those that hold recovery back would let us wait for ever."""
    foreign = view.cluster.flags & (_OURS | _BLOCKING)
    blocking = sorted(foreign & _BLOCKING)
    title = _("no flag of others holds data back")
    if blocking:
        return Finding(title, False, _("set by others: {flags}").format(flags=", ".join(blocking)))
    return Finding(
        title, True, _("set by others, and kept: {flags}").format(flags=", ".join(sorted(foreign))) if foreign else ""
    )


def _single(view: View) -> Finding:
    """A pool of one copy loses data with the disk: that is for a person to decide, pool by pool."""
    alone = sorted(
        {
            view.cluster.pools[p.pool].name
            for p in view.cluster.pgs
            if p.pool in view.cluster.pools and view.osd.id in p.up
        }
        & {p.name for p in view.cluster.pools.values() if p.size < 2}
    )
    text = _("pools of one copy are on it: {pools}")
    return Finding(
        _("no pool has its only copy there"),
        not alone or view.osd.up,
        text.format(pools=", ".join(alone)) if alone else "",
    )


def judge(osd: int, findings: Sequence[Finding]) -> None:
    """Raise Refused with everything that does not hold."""
    bad = [f for f in findings if not f.holds]
    if bad:
        lines = "".join(f"\n  - {f.title}: {f.detail}" if f.detail else f"\n  - {f.title}" for f in bad)
        raise Refused(
            _("osd.{id} must not be touched now:{problems}").format(id=osd, problems=lines), _("Nothing was touched.")
        )

"""From findings to a plan. What is not found any more is not in the plan; too many findings are nobody's debris."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

from blue_wizard.errors import InputError, Refused
from blue_wizard.inspect.model import Check, Finding, checks
from blue_wizard.inspect.runner import Outcome
from blue_wizard.jobs.actions import planner
from blue_wizard.jobs.model import Json, Plan, Precondition, Risk, Step
from blue_wizard.text import _

__all__ = ["MOST", "OPERATION", "Params", "can_mend", "compile_plan", "look", "plan_of"]

OPERATION = "mend"
MOST = 10
"""So many findings are put right at once, unless somebody says another number."""
_DEADLINE_S, _SETTLE_S = 120.0, 10.0


@dataclass(frozen=True)
class Params:
    """What the operator asked for. `object`: a glob."""

    cloud: str
    check: str
    object: str = "*"
    most: int = MOST


def _domain(cloud: str, f: Finding) -> tuple[str, dict[str, Json], str, str, Risk]:
    args = {"cloud": cloud, "host": f.host, "uuid": f.object}
    title = _("take domain {domain} out of libvirt on {host}; its disks stay").format(
        domain=f.values["domain"], host=f.host
    )
    return "mend.domain.remove", args, title, f"host:{f.host}", Risk.HIGH


def _image(cloud: str, f: Finding) -> tuple[str, dict[str, Json], str, str, Risk]:
    pool, image = str(f.values["pool"]), str(f.values["image"])
    args = {"cloud": cloud, "pool": pool, "image": image, "server": str(f.values.get("server", ""))}
    return (
        "mend.image.trash",
        args,
        _("move {image} into the trash").format(image=f.object),
        f"image:{f.object}",
        Risk.LOW,
    )


def _allocation(cloud: str, f: Finding) -> tuple[str, dict[str, Json], str, str, Risk]:
    args = {"cloud": cloud, "consumer": f.object}
    title = _("give back what is allocated to {consumer} ({resources})").format(
        consumer=f.object, resources=f.values["resources"]
    )
    return "mend.allocation.delete", args, title, f"allocation:{f.object}", Risk.LOW


Way = Callable[[str, Finding], tuple[str, dict[str, Json], str, str, Risk]]
"""Of a cloud and a finding: verb, arguments, title, lock and risk of the step that puts it right."""
_WAYS: Mapping[str, Way] = {
    "cross.orphan-domain": _domain,
    "cross.image-without-volume": _image,
    "cross.server-disk-of-nothing": _image,
    "cross.leaked-allocation": _allocation,
}


def can_mend() -> tuple[str, ...]:
    """The checks whose findings a job can put right."""
    return tuple(sorted(_WAYS))


def look(params: Params) -> Plan:
    """The plan, from an inspection made now. Reads only. Raises InputError and Refused."""
    check = _check(params.check)
    return compile_plan(params, check, _inspect(params.cloud, check))


@planner(OPERATION)
def plan_of(params: Mapping[str, Json]) -> Plan:
    """The plan as things are now. Raises what `look` raises."""
    return look(Params(**params))


def _check(id_: str) -> Check:
    found = next((c for c in checks() if c.id == id_), None)
    if found is None:
        raise InputError(_("There is no check {id}.").format(id=id_), _("See: blue-wizard inspect list"))
    if id_ not in _WAYS:
        raise InputError(
            _("No job puts right by itself what {id} finds.").format(id=id_),
            _("What a person can do: blue-wizard inspect explain {id}. Jobs there are for: {known}").format(
                id=id_, known=", ".join(can_mend())
            ),
        )
    return found


def _inspect(cloud: str, check: Check) -> Outcome:
    from blue_wizard import config
    from blue_wizard.inspect import collect, runner
    from blue_wizard.inspect.site import Site

    collect.register()
    site = Site(config.load(), cloud)
    done = runner.run([check], partial(collect.collect, site), deadline_s=_DEADLINE_S, settle_s=_SETTLE_S)
    return done.outcomes[0]


def compile_plan(params: Params, check: Check, outcome: Outcome) -> Plan:
    """The plan for what an inspection has found (pure). Raises Refused."""
    chosen = sorted(
        (f for f in outcome.findings if fnmatchcase(f.object, params.object)), key=lambda f: (f.object, f.host)
    )
    if not chosen:
        raise Refused(
            _("{check} finds nothing like {object}.").format(check=check.id, object=params.object),
            "; ".join(outcome.unknown[:3]) or _("Perhaps it was put right meanwhile: blue-wizard inspect"),
        )
    if len(chosen) > params.most:
        raise Refused(
            _("{check} finds {count} objects; no more than {most} are put right at once.").format(
                check=check.id, count=len(chosen), most=params.most
            ),
            _(
                "So many are seldom debris: is a service, a cell or a pool missing? If it is debris for certain, say --max."
            ),
        )
    return Plan(
        _("Put right what {check} finds ({count})").format(check=check.id, count=len(chosen)),
        OPERATION,
        {"cloud": params.cloud, "check": params.check, "object": params.object, "most": params.most},
        tuple(_steps(params.cloud, _WAYS[check.id], chosen)),
        preconditions=(
            Precondition(_("found in two readings"), True),
            Precondition(
                _("no more than {most} objects").format(most=params.most),
                True,
                _("{count} found").format(count=len(chosen)),
            ),
            Precondition(
                _("everything could be asked"),
                not outcome.unknown,
                "; ".join(outcome.unknown[:3]),
            ),
        ),
    )


def _steps(cloud: str, way: Way, chosen: Sequence[Finding]) -> list[Step]:
    steps = []
    for number, finding in enumerate(chosen, 1):
        verb, args, title, lock, risk = way(cloud, finding)
        steps.append(Step(f"mend-{number}", verb, args, title, finding.message, risk, 5.0, locks=(lock,)))
    return steps

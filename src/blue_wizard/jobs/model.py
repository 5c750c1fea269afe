"""Plans and jobs as plain data: no I/O, and nothing of any operation.

A plan is what a person reads and approves; a job is a plan being executed. Both are JSON all the way down, so that a
plan made by one version of the program can be carried on by the next.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

__all__ = [
    "STOPS",
    "Claim",
    "Gate",
    "Invariant",
    "Json",
    "Outcome",
    "Plan",
    "Precondition",
    "Progress",
    "Risk",
    "State",
    "Step",
    "StepState",
]


Json = Any
Outcome = Mapping[str, Json]
"""What a step reports of itself: names and ids, never a secret."""


class Risk(StrEnum):
    """What a step can do to the tenants' business."""

    NONE = "none"
    LOW = "low"
    HIGH = "high"


class State(StrEnum):
    """The state of a job."""

    PLANNED = "planned"  # waits for an approval
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"  # a person has to answer a question
    PAUSED = "paused"  # rests at a safe point until it is resumed
    ROLLING_BACK = "rolling-back"
    DONE = "done"
    FAILED = "failed"  # failed, and everything was rolled back
    CANCELLED = "cancelled"  # stopped by a person, and everything was rolled back
    ROLLED_BACK = "rolled-back"  # was done, and undone later on request
    STUCK = "stuck"  # could not be rolled back fully; what is left is listed

    @property
    def ended(self) -> bool:
        """True when nothing more happens without a new command."""
        return self in _ENDED


_ENDED = frozenset({State.DONE, State.FAILED, State.CANCELLED, State.ROLLED_BACK, State.STUCK})


STOPS = frozenset({"cancel", "rollback", "abort"})
"""The signals that end a job: parts in the middle are undone, all of it is undone, or it is left as it is."""


class StepState(StrEnum):
    """The state of one step of a job."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"
    LEFT = "left"  # its effect could not be undone


@dataclass(frozen=True)
class Precondition:
    """Something that held when the plan was made, in words, and the figures it was judged on."""

    title: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True)
class Invariant:
    """What has to hold for as long as a job runs, in words.

    `check` names what samples it, with `args` (see `actions.invariant`); without one it is only said.
    """

    title: str
    check: str = ""
    args: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Gate:
    """A question that a person answers before a step begins: "yes" lets it begin, "no" stops the job.

    After `deadline_s` seconds without an answer `otherwise` counts ("yes" or "no"); without a deadline it waits for good.
    `remind_s` writes a reminder every so many seconds. With `text` any other answer lets the step begin too, and is its own.
    """

    question: str
    deadline_s: float | None = None
    remind_s: float | None = None
    otherwise: str = "no"
    text: bool = False


@dataclass(frozen=True)
class Claim:
    """A place in a failure domain: no more than `most` members of one `kind` and `domain` are claimed at the same time.

    For example ``Claim("maintenance", "rack:r1", "host:cmp1")``. With `keep` the claim is held on purpose after the job is done
    (the host stays in maintenance) until a later job releases it; without, it ends with its job.
    """

    kind: str
    domain: str
    member: str
    most: int = 1
    keep: bool = False


@dataclass(frozen=True)
class Step:
    """One step: `verb` names the action, `args` are its arguments (JSON, no secrets).

    `id` is unique within its plan, and is how later steps ask for this one's outcome. `seconds` is an estimate.
    `irreversible` says what can't be undone, where that is so. `locks` are names such as ``server:ID``. Of steps that follow
    one another and have a `lane`, those of different lanes run side by side (see `lanes`).
    """

    id: str
    verb: str
    args: Mapping[str, Json]
    title: str
    why: str = ""
    risk: Risk = Risk.NONE
    seconds: float | None = None
    irreversible: str = ""
    locks: tuple[str, ...] = ()
    gate: Gate | None = None
    lane: str = ""


@dataclass(frozen=True)
class Plan:
    """What is going to be done, in which order, and why.

    `children` are plans that run side by side after the plan's own steps, each on the queue of its `target` (a source
    host, a datastore, a compute host ...). `params` are what the operation needs to make the same plan again.

    `uses` names what the plan's own steps load, as ``KIND:NAME`` (``source-host:kvm1``, ``datastore:ds1``): the limits of
    the configuration are kept for each. `claims` are its places in failure domains, and `releases` are claims that earlier
    jobs kept and that end when this one is done. `window` names the maintenance window that its risky steps begin in.
    With `second_person` two different people have to approve it. `independent` says that no child stands on another, so
    that they may be undone side by side, too; else they are undone one after another, the last first.
    """

    title: str
    operation: str
    params: Mapping[str, Json] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    children: tuple[Plan, ...] = ()
    preconditions: tuple[Precondition, ...] = ()
    invariant: Invariant | None = None
    target: str = ""
    uses: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    releases: tuple[Claim, ...] = ()
    window: str = ""
    second_person: bool = False
    independent: bool = False

    def as_json(self) -> dict[str, Json]:
        """The plan as plain JSON data."""
        data: dict[str, Json] = json.loads(json.dumps(asdict(self)))
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Plan:
        """The plan that `as_json` gave. Raises KeyError or TypeError when the data is no plan."""
        rest = dict(data)
        steps = tuple(_step(s) for s in rest.pop("steps"))
        children = tuple(cls.from_json(c) for c in rest.pop("children"))
        preconditions = tuple(Precondition(**p) for p in rest.pop("preconditions"))
        said = rest.pop("invariant", None)
        # Plans of older versions have just the sentence.
        invariant = Invariant(said) if isinstance(said, str) and said else Invariant(**said) if said else None
        rest["uses"] = tuple(rest.get("uses", ()))
        for name in ("claims", "releases"):
            rest[name] = tuple(Claim(**c) for c in rest.get(name, ()))
        return cls(**rest, invariant=invariant, steps=steps, children=children, preconditions=preconditions)

    @property
    def digest(self) -> str:
        """SHA-256 over what will be done (not over the wording or the estimates): an approval binds to it."""
        canonical = json.dumps(self._essence(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _essence(self) -> dict[str, Json]:
        essence: dict[str, Json] = {
            "operation": self.operation,
            "target": self.target,
            "steps": [_step_essence(s) for s in self.steps],
            "children": [c._essence() for c in self.children],
        }
        # Left out where there is none: plans of older versions keep their digest.
        more = {
            "uses": sorted(self.uses),
            "claims": [asdict(c) for c in self.claims],
            "releases": [asdict(c) for c in self.releases],
            "window": self.window,
        }
        return essence | {name: value for name, value in more.items() if value}

    def walk(self) -> Iterator[Plan]:
        """This plan and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def _step(data: Mapping[str, Json]) -> Step:
    gate = Gate(**data["gate"]) if data.get("gate") else None
    return Step(**{**data, "risk": Risk(data["risk"]), "locks": tuple(data["locks"]), "gate": gate})


def _step_essence(step: Step) -> list[Json]:
    essence: list[Json] = [step.id, step.verb, json.loads(json.dumps(step.args)), sorted(step.locks)]
    # Who approves has to know who will be asked, and what counts when nobody answers.
    if step.gate:
        essence.append(asdict(step.gate))
    return [*essence, step.lane] if step.lane else essence


@dataclass(frozen=True)
class Progress:
    """How far a long step has come. `rate` is units per second; `left_s` is None while it can't be told."""

    done: float
    total: float
    unit: str = "B"
    rate: float = 0.0
    left_s: float | None = None
    note: str = ""

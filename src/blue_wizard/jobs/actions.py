"""The registry of actions: how each verb of a plan is probed, done, verified and undone.

An action is registered by its verb:

    @action("ceph.osd.out")
    class MarkOut(Action): ...

Every method can be called again after a crash, so each one must be idempotent, and `probe` looks at the real world and
never at memory.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import ClassVar, Protocol, TypeVar

from blue_wizard import plugins
from blue_wizard.errors import InputError
from blue_wizard.jobs.model import Json, Outcome, Plan
from blue_wizard.text import _

__all__ = [
    "Action",
    "Args",
    "Context",
    "action",
    "find",
    "import_all",
    "invariant",
    "load",
    "plan_again",
    "plan_anew",
    "planner",
    "report_of",
    "reporter",
    "sampler",
]

Args = Mapping[str, Json]


class Context(Protocol):
    """What a running action knows of its job, and how it talks to the outside."""

    @property
    def job_id(self) -> str:
        """The id of the job, stable over crashes and resumes: tag what you make with it."""

    @property
    def step_id(self) -> str:
        """The id of the step within its plan."""

    def outcome(self, step_id: str) -> Outcome:
        """The outcome of an earlier step of this job; KeyError when it has none."""

    def answer(self) -> str | None:
        """What a person answered to this step's gate; None when it has none."""

    def note(self, key: str, value: Json) -> None:
        """Keep a small fact of this step across crashes at once (before an effect that needs it for its undo)."""

    def noted(self, key: str) -> Json:
        """What `note` kept for this step, or None."""

    def progress(self, done: float, total: float, *, unit: str = "B", note: str = "") -> None:
        """Report how far the step has come (cheap: call it as often as you like)."""

    def event(self, kind: str, message: str, **data: Json) -> None:
        """Write an event into the job's log. What is about to be brought about has the kind ``effect``.

        The calls and commands that bring it about are written down by themselves, with their results (see `tracing`).
        """

    def check_stop(self) -> None:
        """Raise Stopped when a person asked the job to stop; long steps call it at least every second."""

    def hold(self, reason: str) -> None:
        """Say why a person is needed, and stay here until one resumes the job (its other parts go on).

        Raises Stopped when it is cancelled or rolled back instead.
        """

    def pause_point(self, hold: Callable[[bool], None] | None = None) -> None:
        """Like `check_stop`, and stay here while the job is paused: for steps that move data, at least every second.

        `hold` is called with True when the rest begins and with False when it ends.
        """


class Action:
    """One verb. Override what applies; `do` is the only one that must be there."""

    verb: ClassVar[str] = ""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The outcome when the effect is already fully there, else None. Reads only."""
        return None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Bring the effect about, from nothing or from whatever a killed attempt left. Returns the outcome."""
        raise NotImplementedError

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """Raise StepFailed when the effect does not stand up to a second look. Reads only."""

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Take the effect back, also a partial one (`outcome` is None when `do` never returned)."""

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """The command that would undo it by hand, for a person to read when `undo` could not; "" when there is none."""
        return ""


Sampler = Callable[[Args, Collection[str]], str]
"""(args, ids of the steps that have begun) -> what is broken, in words; "" when the invariant holds."""

_A = TypeVar("_A", bound=type[Action])
_R = TypeVar("_R", bound=Callable[[Mapping[str, Json]], Json])
_P = TypeVar("_P", bound=Callable[[Mapping[str, Json]], Plan])
_planners: dict[str, Callable[[Mapping[str, Json]], Plan]] = {}
_reporters: dict[str, Callable[[Mapping[str, Json]], Json]] = {}
_registry: dict[str, type[Action]] = {}
_samplers: dict[str, Sampler] = {}


def action(verb: str) -> Callable[[_A], _A]:
    """Register a class of actions under its verb. Raises ValueError when the verb is taken by another class."""

    def register(cls: _A) -> _A:
        known = _registry.get(verb)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise ValueError(f"verb {verb!r} is taken by {known.__qualname__}")
        cls.verb = verb
        _registry[verb] = cls
        return cls

    return register


def load() -> None:
    """Import every module that registers actions: the entry points `blue_wizard.actions`, and a site's own plug-ins."""
    plugins.load_installed("blue_wizard.actions")


def import_all(folder: ModuleType) -> tuple[ModuleType, ...]:
    """Import every module of a package, in the order of their names: each registers itself, and nothing else has to name it."""
    found = sorted(pkgutil.iter_modules(folder.__path__), key=lambda m: m.name)
    return tuple(importlib.import_module(f"{folder.__name__}.{m.name}") for m in found)


def reporter(operation: str) -> Callable[[_R], _R]:
    """Register the function that makes the report of a job of this operation out of the job's view (see client.show)."""

    def register(function: _R) -> _R:
        _reporters[operation] = function
        return function

    return register


def report_of(view: Mapping[str, Json]) -> Json:
    """The report of a job, or None when its operation has none."""
    load()
    make = _reporters.get(view["operation"])
    return make(view) if make else None


def planner(operation: str) -> Callable[[_P], _P]:
    """Register the function that makes the plan of this operation from its `params`, as the world is now. It only reads."""

    def register(function: _P) -> _P:
        _planners[operation] = function
        return function

    return register


def plan_again(plan: Plan) -> Plan:
    """The plan as it would be made now; the same one when its operation has no planner. Raises what the planner raises."""
    load()
    make = _planners.get(plan.operation)
    return make(plan.params) if make else plan


def plan_anew(operation: str, params: Mapping[str, Json]) -> Plan:
    """The plan of an operation with these parameters. Raises InputError when it has no planner, and what the planner raises."""
    load()
    make = _planners.get(operation)
    if make is None:
        raise InputError(
            _("Nothing plans the operation {operation!r} by itself.").format(operation=operation),
            _("Those that can be planned: {known}").format(known=", ".join(sorted(_planners)) or "-"),
        )
    return make(params)


def invariant(check: str) -> Callable[[Sampler], Sampler]:
    """Register what samples an invariant (see `model.Invariant`). It only reads; what it raises means "could not look"."""

    def register(function: Sampler) -> Sampler:
        _samplers[check] = function
        return function

    return register


def sampler(check: str) -> Sampler | None:
    """What samples an invariant; None when no module registered it."""
    load()
    return _samplers.get(check)


def find(verb: str) -> Action:
    """A fresh action for the verb. Raises InputError when no module registered it."""
    load()
    try:
        return _registry[verb]()
    except KeyError:
        raise InputError(
            _("This version knows no action {verb!r}.").format(verb=verb),
            _("The plan was probably made by another version: make it again."),
        ) from None

"""A context as the engine gives it, kept in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Memory:
    """Implements `actions.Context`; `events` are what was written into the log."""

    job_id = "o-test"
    step_id = "step"

    def __init__(self, outcomes: dict[str, Any] | None = None, answer: str | None = None) -> None:
        self.outcomes, self._answer = outcomes or {}, answer
        self.notes: dict[str, Any] = {}
        self.events: list[tuple[str, str]] = []

    def outcome(self, step_id: str) -> Any:
        return self.outcomes[step_id]

    def answer(self) -> str | None:
        return self._answer

    def note(self, key: str, value: Any) -> None:
        self.notes[key] = value

    def noted(self, key: str) -> Any:
        return self.notes.get(key)

    def progress(self, done: float, total: float, *, unit: str = "B", note: str = "") -> None:
        self.events.append(("progress", note))

    def event(self, kind: str, message: str, **data: Any) -> None:
        self.events.append((kind, message))

    def check_stop(self) -> None:
        pass

    def pause_point(self, hold: Callable[[bool], None] | None = None) -> None:
        pass

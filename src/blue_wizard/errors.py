"""The few kinds of failure that a user can meet, each with its exit code (the table stands in README)."""

from __future__ import annotations

from typing import ClassVar

__all__ = ["BlueWizardError", "InputError", "Refused", "StepFailed", "Stopped"]


class BlueWizardError(Exception):
    """A failure that is explained to the user in one sentence, with the next step to take.

    `message` names the object; `hint` says what to do next. Both are already translated.
    """

    exit_code: ClassVar[int] = 5

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(BlueWizardError):
    """Bad input or configuration, noticed before anything was touched."""

    exit_code = 2


class Refused(BlueWizardError):
    """A safety precondition does not hold; nothing was touched."""

    exit_code = 3


class StepFailed(BlueWizardError):
    """A step of a job could not be done, or its result did not stand up to verification."""

    exit_code = 5


class Stopped(BlueWizardError):
    """A person asked the job to stop; raised at the next safe point, also inside long steps."""

    exit_code = 130

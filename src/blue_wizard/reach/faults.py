"""What can go wrong between us and a command on a host, told apart."""

from __future__ import annotations

from enum import StrEnum

from blue_wizard.errors import InputError, StepFailed

__all__ = ["CommandFailed", "Fault", "NotReached"]


class Fault(StrEnum):
    """Why a command on a host did not succeed."""

    UNREACHABLE = "unreachable"
    HOST_KEY = "host-key"
    LOGIN = "login"
    SUDO = "sudo"
    TIMEOUT = "timeout"
    LOST = "connection-lost"
    OUTPUT = "too-much-output"
    STATUS = "exit-status"


class NotReached(InputError):
    """The command did not run: no way to the host, a key or login that is refused, or sudo that refuses."""

    def __init__(self, fault: Fault, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.fault = fault


class CommandFailed(StepFailed):
    """The command ran, or may have run, and did not succeed."""

    def __init__(self, fault: Fault, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.fault = fault

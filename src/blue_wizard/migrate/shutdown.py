"""A clean shutdown as every source asks for it: ask the guest, wait, ask again, and never pull the plug."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.machine import Power
from blue_wizard.text import _

__all__ = ["shut_down"]

# A guest that is still booting loses the first request.
_ASK_AGAIN_S = 20.0


def shut_down(
    name: str,
    *,
    power: Callable[[], Power],
    ask: Callable[[], object],
    timeout_s: float,
    check_stop: Callable[[], None],
) -> None:
    """`ask` the guest until `power` says that it is off. Raises StepFailed when it is still on after `timeout_s` seconds."""
    end = time.monotonic() + timeout_s
    asked = -math.inf
    while power() is not Power.OFF:
        check_stop()
        now = time.monotonic()
        if now > end:
            raise StepFailed(
                _("{name} did not shut down in {seconds} s.").format(name=name, seconds=round(timeout_s)),
                _("It runs on. Shut it down from inside, or give it more time (shutdown_timeout in the wave)."),
            )
        if now - asked > _ASK_AGAIN_S:
            ask()
            asked = now
        time.sleep(0.5)

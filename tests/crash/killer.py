"""A plug-in for workers under test: kills its own worker (-9) at one point of one step, once.

BW_KILL names the point: ``STEP:PHASE:MARKER``. PHASE is ``before`` (nothing done yet), ``during`` (in the middle of `do`),
``after`` (the effect is there, nothing recorded yet) or ``undo`` (in the middle of `undo`). MARKER is a file that is made
just before the kill, so that the resumed worker lives, and the test knows that the kill happened.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

from blue_wizard.jobs import actions

STEP, PHASE, MARKER = ([*os.environ.get("BW_KILL", "::").split(":", 2), "", "", ""])[:3]
_original = actions.find


def _kill() -> None:
    marker = Path(MARKER)
    if marker.exists():
        return
    marker.write_text(f"{STEP} {PHASE}\n")
    os.kill(os.getpid(), signal.SIGKILL)


def _find(verb: str) -> actions.Action:
    found = _original(verb)
    do, undo = found.do, found.undo

    def killing_do(ctx: actions.Context, args: actions.Args) -> Any:
        if ctx.step_id != STEP or Path(MARKER).exists():
            return do(ctx, args)
        if PHASE == "before":
            _kill()
        if PHASE == "during":
            # Long enough for the first API call or the first written block, short enough for the quickest step.
            timer = threading.Timer(float(os.environ.get("BW_KILL_DELAY", "0.15")), _kill)
            timer.daemon = True
            timer.start()
        outcome = do(ctx, args)
        if PHASE in {"during", "after"}:
            _kill()
        return outcome

    def killing_undo(ctx: actions.Context, args: actions.Args, outcome: Any) -> None:
        if ctx.step_id == STEP and PHASE == "undo" and not Path(MARKER).exists():
            timer = threading.Timer(float(os.environ.get("BW_KILL_DELAY", "0.15")), _kill)
            timer.daemon = True
            timer.start()
            undo(ctx, args, outcome)
            _kill()
        undo(ctx, args, outcome)

    found.do, found.undo = killing_do, killing_undo  # type: ignore[method-assign]
    return found


if STEP:
    actions.find = _find

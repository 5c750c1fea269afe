"""A command of the operator's own, at a moment that the wave names. It runs where the worker runs, and without a shell."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.reach.nbd import die_with_parent
from blue_wizard.text import _

__all__ = ["RunHook"]

_LAST = 2000


@action("hook.run")
class RunHook(Action):
    """args: command, undo, timeout (s), environment.

    After a crash of the worker it may run twice: the commands have to bear that. A command that fails fails the migration.
    """

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Run it, and wait for its end."""
        ctx.note("begun", True)
        return {"output": self._run(ctx, args, args["command"], ctx.check_stop)}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Run the command that takes it back, where the wave names one."""
        if args["undo"] and ctx.noted("begun"):
            self._run(ctx, args, args["undo"], lambda: None)

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """The same by hand."""
        return " ".join(args["undo"]) if args["undo"] and ctx.noted("begun") else ""

    def _run(self, ctx: Context, args: Args, argv: Sequence[str], check_stop: Callable[[], None]) -> str:
        ctx.event("effect", "run hook", command=list(argv))
        try:
            server = str(ctx.outcome("server")["server_id"])
        except KeyError:
            server = ""
        environment = {**os.environ, **args["environment"], "BW_SERVER_ID": server, "BW_JOB": ctx.job_id}
        with tempfile.TemporaryFile() as out:
            try:
                child = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=environment,
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
            except OSError as e:
                raise StepFailed(
                    _("Hook {command} can't be run: {error}").format(command=argv[0], error=e.strerror),
                    _("It runs where the worker runs, and by its full path."),
                ) from e
            try:
                status = _wait(child, args["timeout"], check_stop)
            finally:
                if child.poll() is None:
                    with suppress(ProcessLookupError):
                        os.killpg(child.pid, signal.SIGKILL)
                    child.wait()
            out.seek(0, os.SEEK_END)
            out.seek(max(0, out.tell() - _LAST))
            said = out.read().decode(errors="replace").strip()
        if status is None:
            raise StepFailed(
                _("Hook {command} was not done after {seconds} s.").format(command=argv[0], seconds=args["timeout"])
            )
        if status != 0:
            raise StepFailed(
                _("Hook {command} failed ({status}): {said}").format(command=argv[0], status=status, said=said[-300:])
            )
        return said


def _wait(child: subprocess.Popen[bytes], timeout_s: float, check_stop: Callable[[], None]) -> int | None:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            return child.wait(0.5)
        except subprocess.TimeoutExpired:
            check_stop()
    return None

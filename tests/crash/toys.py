"""A plug-in with toy actions whose effects are files: every effect adds a line to a log, so that doing it twice shows."""

from __future__ import annotations

import time
from pathlib import Path

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome


def _write(args: Args, line: str) -> None:
    with (Path(args["folder"]) / "effects").open("a") as f:
        f.write(line + "\n")


@action("toy.make")
class Make(Action):
    """Makes a file, slowly; `hold` names a file that it waits for, `fail` lets it fail after its effect."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        file = Path(args["folder"]) / args["name"]
        return {"file": str(file)} if file.exists() else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        file = Path(args["folder"]) / args["name"]
        if hold := args.get("hold"):
            begun = Path(args["folder"]) / f"{args['name']}.begun"
            begun.touch()
            while not Path(hold).exists():
                ctx.check_stop()
                time.sleep(0.05)
        ctx.event("effect", "make", file=str(file))
        file.touch()
        _write(args, f"make {args['name']}")
        time.sleep(args.get("seconds", 0))
        if args.get("fail"):
            raise StepFailed("failed as told")
        return {"file": str(file)}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        if args.get("sticky"):
            raise StepFailed("can't be undone")
        file = Path(args["folder"]) / args["name"]
        if file.exists():
            file.unlink()
            _write(args, f"unmake {args['name']}")

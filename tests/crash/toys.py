"""A plug-in with toy actions whose effects are lines of a log: each is there whole or not at all, and twice would show."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action, invariant, planner
from blue_wizard.jobs.model import Claim, Json, Outcome, Plan, Risk, Step

OTHER = "other-secret-7"


def _log(args: Args) -> Path:
    return Path(args["folder"]) / "effects"


def _write(args: Args, line: str) -> None:
    # One write and nothing beside it: a worker that is killed here has brought the effect about or has not.
    with _log(args).open("a") as f:
        f.write(line + "\n")


def _made(args: Args) -> bool:
    """True when the newest effect on the toy is its making."""
    log = _log(args)
    lines = log.read_text().splitlines() if log.exists() else []
    mine = [line for line in lines if line.split()[1] == args["name"]]
    return bool(mine) and mine[-1].startswith("make ")


@action("toy.make")
class Make(Action):
    """Makes a toy, slowly; `hold` names a file that it waits for, `pauses` lets it pause there,
    `needs` names a file without which it asks for a person, `fail` lets it fail after its effect, `undo_seconds` is how long it
    takes to undo."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        return {"toy": args["name"]} if _made(args) else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        if hold := args.get("hold"):
            begun = Path(args["folder"]) / f"{args['name']}.begun"
            begun.touch()
            while not Path(hold).exists():
                (ctx.pause_point if args.get("pauses") else ctx.check_stop)()
                time.sleep(0.05)
        while (needs := args.get("needs")) and not Path(needs).exists():
            ctx.hold(f"{Path(needs).name} are missing")
            ctx.check_stop()
        ctx.event("effect", "make", toy=args["name"])
        _write(args, f"make {args['name']}")
        time.sleep(args.get("seconds", 0))
        if args.get("fail"):
            raise StepFailed("failed as told")
        return {"toy": args["name"]}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        if args.get("sticky"):
            raise StepFailed("can't be undone")
        for _tenth in range(round(args.get("undo_seconds", 0) * 10)):
            time.sleep(0.1)
            ctx.check_stop()
        if _made(args):
            _write(args, f"unmake {args['name']}")

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        return f"rm {args['name']}"


@planner("toy.wanted")
def wanted(params: Mapping[str, Json]) -> Plan:
    """Makes the toys that the world asks for: the names in the folder's file `wanted`.

    `locks`, `claims` and `window` become those of the plan.
    """
    folder = Path(params["folder"])
    names = (folder / "wanted").read_text().split()
    locks, claims = tuple(params.get("locks", ())), tuple(Claim(**c) for c in params.get("claims", ()))
    steps = tuple(
        Step(n, "toy.make", {"folder": str(folder), "name": n}, f"make {n}", risk=Risk.LOW, seconds=60, locks=locks)
        for n in names
    )
    window = params.get("window", "")
    return Plan("toys", "toy.wanted", params=dict(params), steps=steps, claims=claims, window=window)


@invariant("toy.calm")
def calm(args: Args, begun: Collection[str]) -> str:
    """Broken while the folder has a file `fire` and no step called `water` has begun."""
    return "there is a fire" if "water" not in begun and (Path(args["folder"]) / "fire").exists() else ""


@action("toy.blab")
class Blab(Action):
    """Lets the secret of the environment slip out wherever an action can write anything, and then fails with it."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        secret = os.environ["TOY_PASSWORD"]
        ctx.note("was", f"password {secret}")
        ctx.event("effect", f"log in with {secret}", body={"adminPass": OTHER, "text": secret})
        # What an API or a host answers may hold a secret as well.
        ctx.event("note", "the API answered", answer={"auth": {"token": "token-" + OTHER}, "user_data": secret})
        subprocess.run(["true", f"--password={secret}"], check=True)
        if args.get("crash"):
            raise RuntimeError(f"https://admin:{secret}@cloud answered 401 to {secret}")
        return {"url": f"https://admin:{secret}@cloud", "token": secret}


@action("toy.cloud")
class UseCloud(Action):
    """Talks to a cloud of clouds.yaml, and lets everything that it knows of it slip out."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        import openstack.config

        from blue_wizard.reach.openstack import connect

        auth = openstack.config.OpenStackConfig().get_one(args["cloud"]).config["auth"]
        try:
            return {"cloud": connect(args["cloud"]).name}
        except BlueWizardError as e:
            ctx.event("note", f"{e.message} with {auth['password']}", auth=dict(auth))
            raise StepFailed(f"{e.message} as {auth}") from e

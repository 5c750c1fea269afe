"""The names that a guest's cards had, kept on the target's copy and under the protection of a snapshot."""

from __future__ import annotations

from contextlib import ExitStack

from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Json, Outcome
from blue_wizard.migrate import card_files
from blue_wizard.migrate.card_rules import Card, decide, written
from blue_wizard.migrate.targets import protected
from blue_wizard.migrate.targets.common import ceph_access
from blue_wizard.migrate.targets.disks import prove
from blue_wizard.reach import ceph, nbd
from blue_wizard.text import _

__all__ = ["KeepNames"]

SNAPSHOT = "blue-wizard-before-names"


@action("guest.names.keep")
class KeepNames(Action):
    """args: cloud, name, volumes (the ids of the steps that made them), cards: [{port (a step's id), was (its MAC), name}]."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Look, decide, write. What can't be proved is told and left; only a write that fails is a failure."""
        access = ceph_access(args["cloud"])
        with ceph.open_pool(access) as pool:
            images = [prove(ctx, {**args, "volume": v}, pool) for v in args["volumes"]]

            def work() -> Outcome:
                with ExitStack() as stack:
                    nodes = [nbd.rbd_node(access.pool, i, conf=access.conf, client=access.client) for i in images]
                    uris = [stack.enter_context(nbd.serve(node, writable=True)) for node in nodes]
                    return _keep(ctx, args, uris)

            return protected.change(ctx, pool, images, work, snapshot=SNAPSHOT, done="kept")

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Remove the snapshots: a volume that has one can't be deleted."""
        protected.forget(ctx, args, SNAPSHOT)


def _keep(ctx: Context, args: Args, uris: list[str]) -> Outcome:
    found = card_files.look(uris)
    if found is None:
        ctx.event("warning", _("No Linux was recognised inside; the names of its cards are not kept."))
        return {"names": {}}
    macs = [ctx.outcome(card["port"])["mac"] for card in args["cards"]]
    cards = [Card(c["was"], mac, c["name"]) for c, mac in zip(args["cards"], macs, strict=True)]
    decision = decide(found, cards)
    for text in decision.told:
        ctx.event("warning", f"{args['name']}: {text}")
    names: dict[str, Json] = {macs[i]: name for i, name in decision.keep.items()}
    files = written(found, ((macs[i], name) for i, name in decision.keep.items()))
    if files:
        ctx.event("effect", "keep names of cards", names=names, files=[f.path for f in files])
        card_files.put(uris, files, found)
    return {"names": names}

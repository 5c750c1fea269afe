"""What a source has to make of a disk before it can be read, and what must not stay there afterwards."""

from __future__ import annotations

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.sources import Exporting, open_source
from blue_wizard.text import _

__all__ = ["ExportDisk", "ReleaseDisk"]


def _source(args: Args) -> Exporting:
    source = open_source(args["source"])
    if not isinstance(source, Exporting):
        raise StepFailed(_("The source {url} exports no disks.").format(url=args["source"]))
    return source


@action("source.disk.export")
class ExportDisk(Action):
    """args: source, machine, disk."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Make it; the source finds what a killed attempt has made."""
        ctx.event("effect", "export disk", machine=args["machine"], disk=args["disk"])
        return {"made": _source(args).export(args["machine"], args["disk"], ctx.job_id, check_stop=ctx.check_stop)}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Leave nothing of it."""
        _release(ctx, args)

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Look for it by its name."""
        return _("remove what is called blue-wizard-... of disk {disk} at {source}").format(
            disk=args["disk"], source=args["source"]
        )


@action("source.disk.release")
class ReleaseDisk(Action):
    """args: source, machine, disk. It has been read, and hashed."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Leave nothing of it."""
        _release(ctx, args)
        return {"disk": args["disk"]}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Nothing: an undo needs no copy."""


def _release(ctx: Context, args: Args) -> None:
    ctx.event("effect", "release disk", machine=args["machine"], disk=args["disk"])
    _source(args).release(args["machine"], args["disk"])

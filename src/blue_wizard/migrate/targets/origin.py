"""Where an import reads its disk from: the source itself, or a staging file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Args, Context
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.sources import Export, open_source
from blue_wizard.migrate.transfer.file_reader import stamp_of
from blue_wizard.migrate.transfer.nbd_reader import NbdReader
from blue_wizard.reach import nbd
from blue_wizard.text import _

__all__ = ["STAGED_FORMAT", "expect", "open_disk", "reading"]

STAGED_FORMAT = "qcow2"
"""It knows its holes on every file system, and over NFS too."""


@contextmanager
def open_disk(ctx: Context, args: Args) -> Iterator[Reader]:
    """The disk that a step's args name (source, machine, disk, size), from its staging file where the step has one.

    Raises StepFailed when it has another size than planned.
    """
    if args.get("staged"):
        path = Path(ctx.outcome(args["staged"])["path"])
        if not path.is_file():
            raise StepFailed(
                _("The staging file {path} is gone.").format(path=path),
                _("Undo the job and run the wave again: blue-wizard migrate rollback"),
            )
        node = nbd.file_node(path, STAGED_FORMAT)
        with (
            nbd.serve(node) as uri,
            closing(NbdReader(uri, args["size"], name=str(path), stamp=lambda: stamp_of(path))) as reader,
        ):
            yield reader
        return
    with (
        open_source(args["source"]).open_disk(args["machine"], args["disk"]) as export,
        reading(export, args) as reader,
    ):
        yield reader


@contextmanager
def reading(export: Export, args: Args) -> Iterator[Reader]:
    """The best reader of a disk of the source. Raises StepFailed when it has another size than planned."""
    _same_size(export.size, args)
    name = f"{args['machine']}/{args['disk']}"
    reader = export.reader() if export.reader else NbdReader(export.uri, export.size, name=name, stamp=export.stamp)
    with closing(reader):
        _same_size(reader.size, args)
        yield reader


def _same_size(now: int, args: Args) -> None:
    if now != args["size"]:
        raise StepFailed(
            _("Disk {disk} of {machine} has {now} bytes now, the plan says {then}.").format(
                disk=args["disk"], machine=args["machine"], now=now, then=args["size"]
            ),
            _("Plan again: blue-wizard migrate plan"),
        )


def expect(ctx: Context, args: Args, sha256: str) -> None:
    """Raise StepFailed when a disk that went through a staging file is not what was read from the source."""
    if args.get("staged") and ctx.outcome(args["staged"])["sha256"] != sha256:
        raise StepFailed(
            _("Disk {disk} differs from its copy: {source} at the source, {target} at the target.").format(
                disk=args["disk"], source=ctx.outcome(args["staged"])["sha256"][:16], target=sha256[:16]
            ),
            _("Did something write to the staging file meanwhile?"),
        )

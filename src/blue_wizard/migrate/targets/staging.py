"""Two phases instead of one: a disk goes into a file of a staging folder, is hashed, and is imported from there."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.targets import copying, origin
from blue_wizard.migrate.transfer.journal import Journal
from blue_wizard.migrate.transfer.nbd_reader import NbdReader
from blue_wizard.migrate.transfer.nbd_writer import NbdWriter
from blue_wizard.reach import nbd
from blue_wizard.text import _

__all__ = ["RemoveStaged", "StageDisk"]


def _path(ctx: Context, args: Args) -> Path:
    """The staging file; its name is the same after a crash, and no other job's."""
    return Path(args["folder"]) / f"blue-wizard-{ctx.job_id}-{ctx.step_id}.{origin.STAGED_FORMAT}"


def _identity(path: Path) -> list[int]:
    """What changes when a file is written to or replaced."""
    found = path.stat()
    return [found.st_ino, found.st_size, found.st_mtime_ns]


@action("staging.disk.write")
class StageDisk(Action):
    """args: source, machine, disk, size, folder. What is half written has another name than what is complete."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The complete file, untouched since it was hashed: it is used again."""
        made, path = ctx.noted("made"), _path(ctx, args)
        if not made or not path.is_file() or _identity(path) != made["identity"]:
            return None
        return dict(made["outcome"])

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Copy, or carry on where a killed attempt has come to, and read it back."""
        path = _path(ctx, args)
        part = path.with_suffix(".part")
        with origin.open_disk(ctx, args) as disk:
            work = copying.survey(disk)
            notes = _journal(ctx, args, part, work)
            ctx.event("effect", "stage disk", disk=args["disk"], file=str(path))
            with (
                closing(notes),
                nbd.serve(nbd.file_node(part, origin.STAGED_FORMAT), writable=True) as uri,
                closing(NbdWriter(uri, name=str(part))) as writer,
                closing(NbdReader(uri, args["size"], name=str(part))) as back,
            ):
                moved = copying.move(ctx, args, work, writer, back, notes, where=str(part.parent))
        _to_the_disk(part)
        outcome = {"path": str(path), **moved}
        ctx.note("made", {"identity": _identity(part), "outcome": outcome})
        part.rename(path)
        _to_the_disk(path.parent)
        copying.forget(ctx)
        return outcome

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Delete it, complete or not."""
        copying.forget(ctx)
        path = _path(ctx, args)
        if not path.parent.is_dir():
            raise StepFailed(_("The staging folder {folder} is not there.").format(folder=path.parent))
        for file in (path, path.with_suffix(".part")):
            if file.exists():
                ctx.event("effect", "delete staging file", file=str(file))
                file.unlink(missing_ok=True)

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Delete it."""
        return f"rm -f {_path(ctx, args).with_suffix('')}.*"


@action("staging.disk.remove")
class RemoveStaged(Action):
    """args: staged (the id of the step that wrote it). The disk is in its target, hashed: the file has done its work."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Delete it if it is still there."""
        path = Path(ctx.outcome(args["staged"])["path"])
        ctx.event("effect", "delete staging file", file=str(path))
        path.unlink(missing_ok=True)
        return {"path": str(path)}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Nothing: an undo needs no copy."""


def _journal(ctx: Context, args: Args, part: Path, work: copying.Work) -> Journal:
    """The journal of the file that is being written: an earlier attempt's, where that one and its file are still there."""
    if part.is_file():
        notes = copying.carry_on(ctx, copying.identity(args, work, [str(part), part.stat().st_ino]))
        if notes is not None:
            return notes
    _need_room(part.parent, work.surveyed.moved)
    _create(part, work.disk.size)
    return copying.begin(ctx, copying.identity(args, work, [str(part), part.stat().st_ino]))


def _need_room(folder: Path, need: int) -> None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as e:
        raise StepFailed(
            _("The staging folder {folder} can't be used: {error}").format(folder=folder, error=e.strerror),
            _("Mount it on every machine that runs a worker, and run it again."),
        ) from e
    if need > free:
        raise StepFailed(
            _("{folder} has {free} MiB left, {need} MiB are needed.").format(
                folder=folder, free=free >> 20, need=need >> 20
            ),
            _("Make room there, and run it again."),
        )


def _create(path: Path, size: int) -> None:
    path.unlink(missing_ok=True)
    argv = ["qemu-img", "create", "-q", "-f", origin.STAGED_FORMAT, str(path), str(size)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError as e:
        raise InputError(
            _("qemu-img is not installed."), _("Install the Debian package {name}.").format(name="qemu-utils")
        ) from e
    if done.returncode != 0:
        raise StepFailed(
            _("{path} can't be made: {error}").format(path=path, error=done.stderr.strip().splitlines()[-1])
        )
    # It holds a tenant's disk.
    path.chmod(0o600)


def _to_the_disk(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)

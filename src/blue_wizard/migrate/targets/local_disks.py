"""A disk of the source goes into the file of its server's disk on the compute host, and is read back."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from blue_wizard.errors import Refused, StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.mapping import GIB
from blue_wizard.migrate.metadata import KEY
from blue_wizard.migrate.targets import copying, origin
from blue_wizard.migrate.targets.common import server_of
from blue_wizard.migrate.targets.compute import ComputeHost
from blue_wizard.migrate.transfer.journal import Journal
from blue_wizard.migrate.transfer.nbd_reader import NbdReader
from blue_wizard.migrate.transfer.nbd_writer import NbdWriter
from blue_wizard.text import _

__all__ = ["ImportLocalDisk", "against"]

_FORMATS = {"qcow2", "raw"}
# The qemu-nbd of a killed worker ends when its connection is found to be gone, and writes out what it has.
_LET_GO_S = 30.0


@dataclass(frozen=True)
class _Target:
    """The file of a disk, by `format` as Nova's own definition of the domain says."""

    host: ComputeHost
    path: str
    format: str

    @property
    def beside(self) -> str:
        """Where the new content is made before it takes the file's place."""
        return f"{self.path}.blue-wizard"


def against(server: dict[str, Any], state: str, openers: list[str], job_id: str) -> list[str]:
    """What speaks against writing to a disk of the server (pure)."""
    reasons = {
        _("the server does not carry the mark of this job"): not server["metadata"]
        .get(KEY, "")
        .startswith(f"job={job_id} "),
        _("the server is not stopped"): server["status"] != "SHUTOFF" or bool(server["OS-EXT-STS:task_state"]),
        _("its domain is {state}").format(state=state): state != "shut off",
        _("somebody has the file open"): bool(openers),
    }
    return [text for text, holds in reasons.items() if holds]


def _prove(ctx: Context, args: Args) -> _Target:
    """The file that may be replaced, after two independent proofs that it is ours. Raises Refused when they disagree.

    Nova has to say that the server with this job's mark is stopped, and on which host; there, libvirt has to say that the
    domain of that very UUID is shut off and has the file as its disk, and the kernel that nobody has it open.
    """
    server = server_of(ctx, args)
    name = server.get("OS-EXT-SRV-ATTR:host")
    if not name:
        raise Refused(
            _("Nova does not say on which host server {id} is.").format(id=server["id"]),
            _("Only administrators are told: use an administrator's entry in clouds.yaml."),
        )
    host = ComputeHost(args["cloud"], name)
    state, domain = host.domain(server["id"])
    place = PurePosixPath(server["id"]) / args["file"]
    found = [d for d in domain.disks if PurePosixPath(*PurePosixPath(d.path).parts[-2:]) == place]
    reasons = []
    if domain.uuid != server["id"] or len(found) != 1 or found[0].kind != "file" or found[0].format not in _FORMATS:
        reasons.append(_("its domain has no file {file} of a known format for a disk").format(file=place))
    path = found[0].path if found else str(place)
    reasons += against(server, state, host.openers(path) if found else [], ctx.job_id)
    if not reasons:
        now = host.image(path)
        if now.size != args["gib"] * GIB:
            reasons.append(_("it has {now} bytes and not {then}").format(now=now.size, then=args["gib"] * GIB))
    if reasons:
        raise Refused(
            _("{path} on {host} is not written: {reasons}.").format(path=path, host=name, reasons="; ".join(reasons)),
            _("Look at the server and its files before you go on."),
        )
    return _Target(host, path, found[0].format)


@action("local.disk.import")
class ImportLocalDisk(Action):
    """args: cloud, source, machine, disk, size, file (its name in the instance's folder), gib, staged? (a step's id).

    The content is made in a file beside the disk, hashed, and only then put into the disk's place: until that moment the
    instance is as Nova made it, and from then on it is complete.
    """

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The file that was made and hashed is in the disk's place."""
        made = ctx.noted("made")
        if not made:
            return None
        host = ComputeHost(args["cloud"], made["outcome"]["host"])
        there = host.identity(made["outcome"]["path"])
        return dict(made["outcome"]) if there and there == made["identity"] else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Copy, or carry on where a killed attempt has come to; read it back; replace."""
        target = _prove(ctx, args)
        host = target.host
        ctx.note("beside", {"host": host.name, "path": target.beside})
        with origin.open_disk(ctx, args) as disk:
            work = copying.survey(disk)
            notes = _journal(ctx, args, target, work)
            ctx.event("effect", "import disk", disk=args["disk"], host=host.name, file=target.beside)
            with (
                closing(notes),
                host.serve(target.beside, target.format) as uri,
                closing(NbdWriter(uri, name=target.beside)) as writer,
                closing(NbdReader(uri, args["gib"] * GIB, name=target.beside)) as back,
            ):
                moved = copying.move(ctx, args, work, writer, back, notes, where=host.name)
        origin.expect(ctx, args, moved["sha256"])
        # Hours may have passed: whatever was proved has to be so still.
        target = _prove(ctx, args)
        host.dress(target.beside, like=target.path)
        outcome = {
            "host": host.name,
            "path": target.path,
            "format": target.format,
            "target": f"local:{host.name}:{target.path}",
            **moved,
        }
        ctx.note("made", {"identity": host.identity(target.beside), "outcome": outcome})
        ctx.event("effect", "replace disk", host=host.name, file=target.path)
        host.replace(target.path, target.beside)
        copying.forget(ctx)
        return outcome

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """The disk stands alone and has the size that Nova gave it."""
        found = ComputeHost(args["cloud"], outcome["host"]).image(outcome["path"])
        if found.refers or found.size != args["gib"] * GIB or found.format != outcome["format"]:
            raise StepFailed(
                _("{path} on {host} is not the disk that was written there.").format(
                    path=outcome["path"], host=outcome["host"]
                )
            )

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Remove what a killed attempt left beside the disk; the disk itself goes with its server."""
        copying.forget(ctx)
        beside = ctx.noted("beside")
        if beside:
            ComputeHost(args["cloud"], beside["host"]).remove(beside["path"])

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Delete the file beside the disk."""
        beside = ctx.noted("beside")
        return f"ssh {beside['host']} rm -f {beside['path']}" if beside else ""


def _journal(ctx: Context, args: Args, target: _Target, work: copying.Work) -> Journal:
    """The journal of the file beside the disk: an earlier attempt's, where that one and its file are still there."""
    host = target.host
    if copying.has_begun(ctx) and _let_go(ctx, target) and (inode := host.inode(target.beside)):
        notes = copying.carry_on(ctx, copying.identity(args, work, [host.name, target.beside, inode]))
        if notes is not None:
            return notes
    need, free = work.surveyed.moved, host.free(target.path)
    if need > free:
        raise StepFailed(
            _("{host} has {free} MiB left for {path}, {need} MiB are needed.").format(
                host=host.name, free=free >> 20, path=target.path, need=need >> 20
            ),
            _("Make room there, and run it again."),
        )
    host.create(target.beside, target.format, args["gib"] * GIB)
    return copying.begin(ctx, copying.identity(args, work, [host.name, target.beside, host.inode(target.beside)]))


def _let_go(ctx: Context, target: _Target) -> bool:
    """True when nobody has the file beside the disk open any more."""
    end = time.monotonic() + _LET_GO_S
    while target.host.openers(target.beside):
        if time.monotonic() > end:
            return False
        ctx.pause_point()
        time.sleep(0.5)
    return True

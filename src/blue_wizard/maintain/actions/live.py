"""A live migration in two steps: it is begun, and it arrives. Others may begin in between."""

from __future__ import annotations

import time
from dataclasses import dataclass

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.facts.servers import Migration, Server
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.jobs.polling import poll
from blue_wizard.maintain import bindings, moving, patient, probes, rewire, site
from blue_wizard.maintain.actions import again, cold, cordon, mended, torn
from blue_wizard.reach.openstack import ApiError, Cloud, client_command
from blue_wizard.text import _

__all__ = ["Arrive", "Begin", "carry", "come_home"]

_RECORD_S = 60.0
_AGREE_S = 120.0
_ABORT_S = 180.0
_EVERY_S = 1.0
_TRIES = 5


def _ask(ctx: Context, cloud: Cloud, args: Args, dest: str, before: int, *, force: bool) -> Migration:
    """Ask Nova, once more where its API fails by itself and it has not heard; the record of the migration."""
    bindings.clear(ctx, cloud, args["server"])
    ctx.event("effect", "live-migrate server", server=args["server"], to=dest)
    body = {"os-migrateLive": {"host": dest or None, "block_migration": "auto", "force": force and bool(dest)}}
    path = f"/servers/{args['server']}/action"
    for _again in range(_TRIES):
        if patient.sent(ctx, cloud, path, body):
            break
        if asked := _asked_before(ctx, cloud, args, before):
            return asked
    else:
        cloud.post("compute", path, body)
    return _waited_for(ctx, cloud, args, before)


def _newest(cloud: Cloud, server: str) -> int:
    return max((m.id for m in moving.migrations_of(cloud, server)), default=0)


def _record(cloud: Cloud, server: str, before: int) -> Migration | None:
    return next((m for m in moving.migrations_of(cloud, server) if m.id > before), None)


def _waited_for(ctx: Context, cloud: Cloud, args: Args, before: int) -> Migration:
    what = _("the migration of {name} to begin").format(name=args["name"])
    return poll(lambda: _record(cloud, args["server"], before), what, timeout_s=_RECORD_S, check_stop=ctx.check_stop)


def _asked_before(ctx: Context, cloud: Cloud, args: Args, before: int) -> Migration | None:
    """The migration that was asked for by a call that nobody heard the answer of; None when it never arrived.

    Nova's API sets the task before it answers, and its conductor makes the record a little later.
    """

    def seen() -> tuple[Migration | None] | None:
        record = _record(cloud, args["server"], before)
        now = moving.server_now(cloud, args["server"])
        if record is None and now is not None and now.task_state:
            return None
        return (record,)

    what = _("the migration of {name} to begin").format(name=args["name"])
    found = poll(seen, what, timeout_s=_RECORD_S, check_stop=ctx.check_stop)[0]
    return None if found is None or found.failed else found


@action("nova.server.live-migrate")
class Begin(Action):
    """args: cloud, server, name, source, dest ("": Nova chooses), host, service, silence_s, timeout_s."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is away, or on its way: a migration that a killed attempt began is adopted."""
        cloud = patient.connect(args["cloud"], ctx)
        now = moving.server_now(cloud, args["server"])
        if now is None:
            return {"gone": True}
        before = ctx.noted("before")
        if now.vm_state == "resized":
            # A cold migration that waits for its confirmation; see `do`.
            return None
        if now.host != args["source"]:
            record = _record(cloud, args["server"], before) if before is not None else None
            return {"away": now.host, "ours": before is not None, "migration": record.id if record else None}
        flight = moving.in_flight(cloud, args["server"], args["source"])
        if flight is None:
            return None
        ctx.event("adopt", "migration in flight", server=args["server"], migration=flight.id)
        return {"migration": flight.id, "ours": True, "adopted": True}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Ask Nova, and wait for the record of the migration. Who was shut down by its owner meanwhile is moved cold."""
        cloud = patient.connect(args["cloud"], ctx)
        noted = ctx.noted("before")
        asked = _asked_before(ctx, cloud, args, noted) if noted is not None else None
        if asked is not None and asked.kind == "live-migration":
            probes.begin(ctx.job_id, cloud, args["server"])
            return {"migration": asked.id, "ours": True, "adopted": True}
        # Its owner may be rebooting it just now.
        now = _rested(ctx, cloud, args)
        if now is None:
            return {"gone": True}
        before = _newest(cloud, args["server"]) if asked is None else noted
        ctx.note("before", before)
        if now.vm_state in {"stopped", "resized"}:
            moved = cold.carry(ctx, cloud, args, args["dest"], after=before)
            return {"away": moved["host"], "ours": True, "migration": moved["migration"]}
        probes.begin(ctx.job_id, cloud, args["server"])
        record = _ask(ctx, cloud, args, args["dest"], before, force=bool(args.get("unscheduled")))
        return {"migration": record.id, "ours": True, "asked": time.time()}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Abort what is under way, and bring the server back if it has gone."""
        probes.end(ctx.job_id, args["server"])
        if ctx.noted("before") is None and not (outcome or {}).get("ours"):
            return
        come_home(ctx, args)

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Bring it back."""
        return client_command(
            args["cloud"], "server", "migrate", "--live-migration", "--host", args["source"], args["server"]
        )


@action("nova.server.moved")
class Arrive(Action):
    """args: those of `Begin`, and begin (the id of its step). Its undo is that of `Begin`."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It has arrived, and everybody agrees; while it is probed `do` has the last word."""
        begun = ctx.outcome(args["begin"])
        if begun.get("gone"):
            return {"host": None, "note": _("was deleted meanwhile")}
        if begun.get("away") and not begun.get("ours"):
            return {"host": begun["away"], "note": _("was moved by somebody else")}
        if probes.running(ctx.job_id, args["server"]):
            return None
        cloud = patient.connect(args["cloud"], ctx)
        now = moving.server_now(cloud, args["server"])
        if now is None or now.host == args["source"]:
            return None
        try:
            if moving.look(cloud, args["server"], args["source"], now.host, begun.get("migration")):
                return None
        except BlueWizardError:
            return None
        return {"host": now.host, "migration": begun.get("migration"), "took_s": None, "probe": None}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Wait until it has arrived; abort the migration when it takes too long, or the server is unheard for too long."""
        cloud = patient.connect(args["cloud"], ctx)
        begun = ctx.outcome(args["begin"])
        watch = probes.begin(ctx.job_id, cloud, args["server"])
        try:
            there = _arrival(ctx, cloud, args, begun.get("migration"), watch)
        finally:
            heard = probes.end(ctx.job_id, args["server"])
        if there is None:
            return {"host": None, "note": _("was deleted meanwhile"), "probe": heard}
        took = round(time.time() - begun["asked"], 1) if begun.get("asked") else None
        told = {"migration": there.migration, "took_s": took, "probe": heard}
        mending = {"mended": there.mended is not None, "why": there.mended or "", "rewired": there.rewired}
        return {"host": there.host, **told, **mending}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """Once more: record, host, task, libvirt on one side only, binding of each port."""
        if outcome["host"] is None or outcome.get("note"):
            return
        cloud = patient.connect(args["cloud"], ctx)
        # What was mended has a record that stays `error`; everybody else has to agree.
        record = None if outcome.get("mended") else outcome["migration"]
        found = moving.look(cloud, args["server"], args["source"], outcome["host"], record)
        if found:
            raise _not_there(args, found)


def _not_there(args: Args, found: list[str]) -> StepFailed:
    return StepFailed(
        _("Server {name} has not arrived for sure: {found}").format(name=args["name"], found="; ".join(found)),
        _("Look for where its packets are lost: {command}").format(
            command=f"blue-wizard diagnose network {args['server']}"
        )
        if _unheard() in found
        else "",
    )


def _unheard() -> str:
    return _("it has not been heard since")


@dataclass(frozen=True)
class _There:
    """Where a server has come to, and by which migration.

    `mended`: why Nova said that it has failed ("": it did not say). `rewired`: it was heard only after its ports were wired again.
    """

    host: str
    migration: int | None
    mended: str | None = None
    rewired: bool = False


def _arrival(ctx: Context, cloud: Cloud, args: Args, migration: int | None, watch: probes.Watch) -> _There | None:
    """Where the server has come to; None when it was deleted. Raises StepFailed when it does not come."""
    began = time.monotonic()
    forced = False
    wiring = rewire.Once(ctx, cloud, args["server"], watch)
    arrived: float | None = None
    found: list[str] = []
    said: float | None = None
    while True:
        now = moving.server_now(cloud, args["server"])
        if now is None:
            return None
        record = next((m for m in moving.migrations_of(cloud, args["server"]) if m.id == migration), None)
        if record is not None and record.failed:
            later = _record(cloud, args["server"], record.id)
            if later is not None and later.dest == record.dest:
                # An attempt that was killed had asked again.
                migration = later.id
                continue
            there = _despite(ctx, cloud, args, record)
            if there is not None:
                watch.listen_anew()
                _hear(ctx, args, wiring)
                return _There(there.host, migration, mended=there.fault, rewired=wiring.done)
            if not again.is_due(ctx, cloud, args):
                raise _failed(cloud, args, record)
            before, force = _newest(cloud, args["server"]), bool(args.get("unscheduled"))
            migration = _ask(ctx, cloud, args, args["dest"], before, force=force).id
            continue
        if now.host != args["source"] and not now.task_state:
            if arrived is None:
                arrived = time.monotonic()
                watch.listen_anew()
            try:
                found = moving.look(cloud, args["server"], args["source"], args["dest"], migration)
            except BlueWizardError as e:
                found = [e.message]
            if not found:
                if wiring.heard():
                    return _There(now.host, migration, rewired=wiring.done)
                found = [_unheard()]
            if now.vm_state == "error" and (record is None or record.ended):
                mended.mend(ctx, cloud, args, now, record)
                continue
        ctx.check_stop()
        took = time.monotonic() - began
        ctx.progress(min(took, args["timeout_s"]), args["timeout_s"], unit="s", note=args["name"])
        if arrived is None and record is not None and record.ended and not now.task_state:
            # Nova's work is done by its own record, and its server has not moved by another one.
            said = said or time.monotonic()
            if time.monotonic() - said > _AGREE_S:
                raise torn.torn(cloud, args, now)
        elif arrived is not None:
            if time.monotonic() - arrived > max(_AGREE_S, args["silence_s"]):
                raise _not_there(args, found)
        elif watch.silent_s() > args["silence_s"]:
            _abort(ctx, cloud, args, migration)
            text = _("Server {name} was not heard for {seconds} s while it moved; its migration was aborted.")
            raise StepFailed(text.format(name=args["name"], seconds=round(args["silence_s"])))
        elif took > args["timeout_s"] and args.get("force") and not forced:
            _force(ctx, cloud, args, migration)
            forced, began = True, time.monotonic()
        elif took > args["timeout_s"]:
            _abort(ctx, cloud, args, migration)
            text = _("Server {name} did not arrive in {seconds} s; its migration was aborted.")
            raise StepFailed(text.format(name=args["name"], seconds=round(args["timeout_s"])))
        time.sleep(_EVERY_S)


def _hear(ctx: Context, args: Args, wiring: rewire.Once) -> None:
    what, seconds = _("server {name} to be heard").format(name=args["name"]), max(_AGREE_S, args["silence_s"])
    try:
        poll(lambda: wiring.heard() or None, what, timeout_s=seconds, check_stop=ctx.check_stop)
    except StepFailed as e:
        raise _not_there(args, [_unheard()]) from e


def _despite(ctx: Context, cloud: Cloud, args: Args, record: Migration) -> Server | None:
    """A server that runs elsewhere although its migration has failed, as Nova told of it; None when it has stayed.

    Raises StepFailed when it was harmed.
    """
    now = _rested(ctx, cloud, args)
    if now is None or now.host == args["source"]:
        return None
    now = mended.told(ctx, cloud, args, now, record)
    if now is None:
        return None
    mended.mend(ctx, cloud, args, now, record)
    return now


def _failed(cloud: Cloud, args: Args, record: Migration) -> StepFailed:
    why = moving.failure_of(cloud, args["server"]) or record.status
    return StepFailed(
        _("Nova could not move server {name} to {dest}: {why}").format(
            name=args["name"], dest=args["dest"] or record.dest or "?", why=why
        )
    )


def _force(ctx: Context, cloud: Cloud, args: Args, migration: int | None) -> None:
    """Bring a migration that does not converge to its end: the server rests for as long as its last pages take."""
    ctx.event("effect", "force migration to complete", server=args["server"], migration=migration)
    try:
        cloud.post("compute", f"/servers/{args['server']}/migrations/{migration}/action", {"force_complete": None})
    except ApiError as e:
        # It may have ended a moment ago.
        if e.status not in {400, 404, 409}:
            raise


def _abort(ctx: Context, cloud: Cloud, args: Args, migration: int | None) -> None:
    """Abort a migration and wait until it has ended, one way or the other. Raises StepFailed when it does not."""

    def over() -> bool | None:
        record = next((m for m in moving.migrations_of(cloud, args["server"]) if m.id == migration), None)
        if record is None or record.ended:
            return True
        try:
            cloud.delete("compute", f"/servers/{args['server']}/migrations/{record.id}")
        except ApiError as e:
            # It is not running yet, or no longer: it is asked again.
            if e.status not in {400, 409}:
                raise
        return None

    try:
        poll(over, _("the migration of {name} to end").format(name=args["name"]), timeout_s=_ABORT_S)
    except StepFailed as e:
        raise StepFailed(e.message, torn.stuck_hint(ctx, cloud, args)) from e


def come_home(ctx: Context, args: Args) -> None:
    """Bring a server back to `source`, from wherever the migration has brought it. Raises StepFailed."""
    cloud = patient.connect(args["cloud"], ctx)
    flight = moving.in_flight(cloud, args["server"], args["source"])
    if flight is not None:
        ctx.event("effect", "abort migration", server=args["server"], migration=flight.id)
        _abort(ctx, cloud, args, flight.id)
    now = _rested(ctx, cloud, args)
    if now is None:
        return
    if now.vm_state == "resized":
        cold.revert(ctx, cloud, args)
        return
    torn.only_where_nova_says(ctx, cloud, args, now)
    if now.host == args["source"]:
        return
    newest = next(iter(moving.migrations_of(cloud, args["server"])), None)
    now = mended.told(ctx, cloud, args, now, newest)
    if now is None:
        return
    if now.vm_state == "error":
        mended.mend(ctx, cloud, args, now, newest)
    cordon.open_again(ctx, args)
    if now.vm_state == "stopped":
        cold.carry(ctx, cloud, args, args["source"])
        return
    carry(ctx, cloud, args, now.host, args["source"])


def _rested(ctx: Context, cloud: Cloud, args: Args) -> Server | None:
    """The server once no task is under way; None when it is gone."""

    def rests() -> tuple[Server | None] | None:
        now = moving.server_now(cloud, args["server"])
        return None if now is not None and now.task_state else (now,)

    what = _("server {name} to rest").format(name=args["name"])
    try:
        return poll(rests, what, timeout_s=_ABORT_S, check_stop=ctx.check_stop)[0]
    except StepFailed as e:
        raise StepFailed(e.message, torn.stuck_hint(ctx, cloud, args)) from e


def carry(ctx: Context, cloud: Cloud, args: Args, source: str, dest: str) -> None:
    """Move a running server from one host to another, the second one disabled or not, and wait until all agree.

    Who was heard before has to be heard after it. Raises StepFailed. A disabled host is only reached past the scheduler
    (`force`, in microversions 2.30 to 2.67).
    """
    closed = bool(args.get("unscheduled")) or any(s.host == dest and not s.enabled for s in site.services(cloud))
    watch = probes.begin(ctx.job_id, cloud, args["server"])
    try:
        before = _newest(cloud, args["server"])
        record = _ask(ctx, cloud, args, dest, before, force=closed)
        way = {**args, "source": source, "dest": dest, "unscheduled": closed}
        there = _arrival(ctx, cloud, way, record.id, watch)
    finally:
        probes.end(ctx.job_id, args["server"])
    if there is None:
        ctx.event("gone", "server was deleted", server=args["server"])

"""`blue-wizard job ...` and `blue-wizard worker`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from blue_wizard.report.out import Output, emit, plain
from blue_wizard.text import _

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["app", "confirm", "follow", "second_person", "worker_command"]

app = App(name="job", help=_("Look at jobs, resume, cancel and undo them."), result_action="return_value")

audit = App(name="audit", help=_("The ledger as evidence."), result_action="return_value")
app.command(audit)

OutputOption = Annotated[Output, Parameter(name=["--output", "-o"], help=_("How to print: table, json or yaml."))]
YesOption = Annotated[bool, Parameter(name="--yes", negative=(), help=_("Do not ask."))]


@app.command(name="list", help=_("All jobs, newest last."))
def list_(*, output: OutputOption = "table") -> int:
    """All jobs, newest last."""
    from blue_wizard.jobs.ledger import Ledger
    from blue_wizard.report.jobs import jobs_table

    jobs = Ledger().jobs()
    keys = ("id", "title", "operation", "state", "created", "started", "ended", "error")
    emit([{k: j[k] for k in keys} for j in jobs], output, lambda: jobs_table(jobs))
    return 0


@app.command(help=_("One job with its steps, outcomes and report."))
def show(job: str, /, *, output: OutputOption = "table") -> int:
    """One job with its steps, outcomes and report."""
    from blue_wizard.jobs import client
    from blue_wizard.report.jobs import job_tables

    view = client.show(job, report=True)
    emit(view, output, lambda: job_tables(view))
    return 0


@app.command(help=_("Watch a job until it ends; closing the view does not stop the job."))
def watch(job: str, /, *, output: OutputOption = "table") -> int:
    """Watch a job until it ends."""
    return follow(job, output=output)


@app.command(help=_("What happened in a job, as a story."))
def log(job: str, /, *, output: OutputOption = "table") -> int:
    """What happened in a job, in order."""
    from blue_wizard.jobs.ledger import Ledger
    from blue_wizard.report.jobs import events_text

    ledger = Ledger()
    jobs = [j["id"] for j in ledger.jobs(root=ledger.job(job)["root"])]
    events = ledger.events(jobs if job == jobs[0] else [job])
    titles = {(j, s.id): s.title for j in jobs for s in ledger.plan(j).steps}
    emit(plain(events), output, lambda: "\n".join(events_text(events, titles)))
    return 0


@app.command(help=_("Write the evidence of a job into one file: plan, approvals, steps, calls, answers, hashes, seal."))
def report(
    job: str, /, *, out: Annotated[Path, Parameter(help=_("The file to write: NAME.html or NAME.json."))]
) -> int:
    """Write the evidence of a job into one file."""
    from blue_wizard.jobs import evidence
    from blue_wizard.report.evidence import write
    from blue_wizard.report.out import errors

    found = evidence.collect(job)
    write(found, out)
    errors().print(_("Written to {file}.").format(file=out), markup=False)
    # A report on a ledger that was changed is no proof.
    return 0 if found["seal"]["holds"] else 1


@audit.command(help=_("Check that nothing in the ledger was changed since it was written."))
def verify(
    *,
    known: Annotated[
        str, Parameter(name="--seal", help=_("A seal that you noted earlier: it must still be there."))
    ] = "",
    output: OutputOption = "table",
) -> int:
    """Check that nothing in the ledger was changed since it was written."""
    from blue_wizard.jobs.ledger import Ledger
    from blue_wizard.report.jobs import audit_text

    verdict = Ledger().audit(known=known)
    emit(plain(verdict), output, lambda: audit_text(verdict))
    return 1 if verdict.faults else 0


@app.command(help=_("Approve a planned job: it starts."))
def approve(
    job: str,
    /,
    *,
    digest: Annotated[str | None, Parameter(help=_("The digest of the plan that you looked at."))] = None,
    detach: Annotated[bool, Parameter(negative=(), help=_("Do not wait for the end."))] = False,
    output: OutputOption = "table",
) -> int:
    """Approve a planned job: it starts."""
    from blue_wizard.jobs import client

    if not client.approve(job, digest):
        return second_person(job, output=output)
    client.ensure_worker()
    return 0 if detach else follow(job, output=output)


@app.command(help=_("Answer the question that a job waits with."))
def answer(
    job: str,
    text: Annotated[str, Parameter(help=_("yes, no, or what the question asks for."))],
    /,
    *,
    detach: Annotated[bool, Parameter(negative=(), help=_("Do not wait for the end."))] = False,
    output: OutputOption = "table",
) -> int:
    """Answer the question that a job waits with."""
    from blue_wizard.jobs import client

    client.answer(job, text)
    return 0 if detach else follow(job, output=output)


@app.command(help=_("Let a job rest at its next safe point; nothing is undone."))
def pause(job: str, /, *, output: OutputOption = "table") -> int:
    """Let a job rest at its next safe point; nothing is undone."""
    from blue_wizard.jobs import client
    from blue_wizard.jobs.model import State

    client.pause(job)
    code = follow(job, output=output, through_rest=False)
    # Resting is what was asked for; a job that was quicker than the pause has its own code.
    return code if State(client.show(job)["state"]).ended else 0


@app.command(help=_("Carry on with a job that is paused, or whose worker is gone."))
def resume(job: str, /, *, output: OutputOption = "table") -> int:
    """Carry on with a job that is paused, or whose worker is gone."""
    from blue_wizard.jobs import client

    client.resume(job)
    return follow(job, output=output)


@app.command(help=_("Stop a job at its next safe point, and undo what is in the middle; parts that are done stay."))
def cancel(job: str, /, *, output: OutputOption = "table") -> int:
    """Stop a job at its next safe point, and undo what is in the middle; parts that are done stay."""
    from blue_wizard.jobs import client

    client.cancel(job)
    return follow(job, output=output)


@app.command(help=_("EMERGENCY STOP: end a job at once and undo NOTHING; what it leaves is listed."))
def abort(job: str, /, *, yes: YesOption = False, output: OutputOption = "table") -> int:
    """Emergency stop: end a job at once and undo nothing."""
    from blue_wizard.jobs import client

    view = client.show(job)
    text = _("EMERGENCY STOP of job {job} ({title}): it ends at once, half-done, and NOTHING is undone. Sure?")
    confirm(text.format(job=job, title=view["title"]), yes=yes)
    client.abort(job)
    return follow(job, output=output)


@app.command(help=_("Undo a job, whether it has ended or not."))
def rollback(job: str, /, *, yes: YesOption = False, output: OutputOption = "table") -> int:
    """Undo a job, whether it has ended or not."""
    from blue_wizard.jobs import client

    view = client.show(job)
    confirm(_("Undo job {job} ({title})?").format(job=job, title=view["title"]), yes=yes)
    client.rollback(job)
    code = follow(job, output=output)
    # Undoing is what was asked for, so a job that ends cancelled or rolled back is a success.
    return 0 if code in {0, 5, 130} else code


@app.command(help=_("Which members of failure domains are claimed, by which jobs."))
def claims(*, output: OutputOption = "table") -> int:
    """Which members of failure domains are claimed, by which jobs."""
    from blue_wizard.jobs.ledger import Ledger
    from blue_wizard.report.jobs import claims_table

    rows = Ledger().claims()
    emit(rows, output, lambda: claims_table(rows))
    return 0


@app.command(help=_("Give back the claims that a job has kept after its end; make sure first that they are over."))
def release(job: str, /, *, yes: YesOption = False) -> int:
    """Give back the claims that a job has kept after its end."""
    from blue_wizard.jobs import client

    kept = client.kept_claims(job)
    confirm(_("Are {members} back in service?").format(members=", ".join(c["member"] for c in kept)), yes=yes)
    client.release(job)
    return 0


def second_person(job: str, *, output: Output) -> int:
    """Say that a job waits for its second approval; the exit code."""
    from blue_wizard.jobs import client

    text = _("A second person has to approve it: blue-wizard job approve {job}").format(job=job)
    emit(client.show(job), output, lambda: text)
    return 4


def confirm(question: str, *, yes: bool) -> None:
    """Ask the person at the terminal. Raises Refused without an answer, and InputError when nobody can answer."""
    import sys

    from blue_wizard.errors import InputError, Refused

    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(_("Nobody can be asked here: {question}").format(question=question), _("Say --yes."))
    from rich.prompt import Confirm

    if not Confirm.ask(question, default=False):
        raise Refused(_("Not confirmed; nothing was touched."))


def follow(
    job: str,
    *,
    output: Output,
    human: Callable[[dict[str, Any]], Iterable[RenderableType]] | None = None,
    through_rest: bool | None = None,
) -> int:
    """Watch a job until it has ended, print it (by `human`, or step by step), and give its exit code.

    A job that waits for a person is watched on where somebody sits at the terminal, unless `through_rest` says otherwise.
    """
    from blue_wizard.jobs import client
    from blue_wizard.report.jobs import Watcher, job_tables
    from blue_wizard.report.out import errors

    try:
        with Watcher() as watcher:
            client.wait(job, watcher, through_rest=watcher.live if through_rest is None else through_rest)
    except KeyboardInterrupt:
        text = _("The job goes on. Watch it: blue-wizard job watch {job} · Stop it: blue-wizard job cancel {job}")
        errors().print(text.format(job=job), markup=False)
        return 130
    view = client.show(job, report=True)
    emit(view, output, lambda: (human or job_tables)(view))
    return client.exit_code(view)


def worker_command(
    *,
    until_idle: Annotated[bool, Parameter(negative=(), help=_("End when no job is left to do."))] = False,
    metrics: Annotated[str, Parameter(help=_("Tell Prometheus about the jobs on this HOST:PORT."))] = "",
) -> int:
    """Execute jobs until told to stop (SIGTERM: at the next safe point)."""
    from blue_wizard.jobs import worker

    worker.run(until_idle=until_idle, metrics=metrics)
    return 0

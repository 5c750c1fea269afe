"""Which jobs have run a wave, and what became of its machines."""

from __future__ import annotations

from collections.abc import Sequence

from blue_wizard.errors import InputError
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import State
from blue_wizard.migrate import operation
from blue_wizard.migrate.wave import Wave
from blue_wizard.text import _

__all__ = ["jobs_of", "left", "newest"]


def jobs_of(wave: Wave, ledger: Ledger) -> list[str]:
    """The jobs that have run this wave as it stands now, or some of its machines; oldest first."""
    return [job for job, ran in _runs(ledger) if any(_part_of(w, wave) for w in ran)]


def newest(wave: Wave, ledger: Ledger) -> list[str]:
    """For each machine of the wave the newest job that has run it; each job once, oldest first."""
    jobs = jobs_of(wave, ledger)
    last = {vm: job for job in jobs for vm in _states(ledger, job)}
    return [job for job in jobs if job in last.values()]


def left(wave: Wave, ledger: Ledger) -> Wave:
    """The wave without the machines that were moved already, or are being moved now. Raises InputError when none is left.

    A machine counts by its source, id and cloud: what has been edited since makes no second one of it.
    """
    states: dict[str, State] = {}
    for job, ran in _runs(ledger):
        of_job = _states(ledger, job)
        mine = [vm for w in ran if (w.source, w.cloud) == (wave.source, wave.cloud) for vm in w.vms]
        states |= {vm.id: of_job[vm.name] for vm in mine if vm.name in of_job}
    settled = {vm for vm, state in states.items() if state is State.DONE or not state.ended}
    vms = [vm for vm in wave.vms if vm.id not in settled]
    if not vms:
        raise InputError(
            _("Every machine of this wave has been moved, or is being moved."), _("See: blue-wizard migrate status")
        )
    return wave.model_copy(update={"vms": vms})


def _runs(ledger: Ledger) -> list[tuple[str, Sequence[Wave]]]:
    jobs = [j["id"] for j in ledger.jobs() if j["operation"] == operation.OPERATION]
    # Plans of older versions lack what newer ones know: reading them fills it in.
    return [(j, [Wave.model_validate(w) for w in ledger.plan(j).params["waves"]]) for j in jobs]


def _part_of(ran: Wave, wave: Wave) -> bool:
    """What was said for the run alone (its window, its rate) moves nothing else."""
    same = (ran.source, ran.cloud, ran.staging) == (wave.source, wave.cloud, wave.staging)
    return same and all(vm in wave.vms for vm in ran.vms)


def _states(ledger: Ledger, job: str) -> dict[str, State]:
    """The state of each machine of a job, by the name of its server."""
    return {
        row["title"]: State(row["state"]) for row in ledger.jobs(root=job) if row["operation"] == operation.VM_OPERATION
    }

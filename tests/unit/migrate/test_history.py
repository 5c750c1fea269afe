"""Waves that are run in parts and again: which jobs were theirs, and what is left to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from blue_wizard.errors import InputError
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State
from blue_wizard.migrate import history, operation, wave
from blue_wizard.migrate.wave import DiskPlan, VmPlan, Wave


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path / "state"))
    return Ledger()


def make(*names: str, source: str = "files:///images") -> Wave:
    disks = [DiskPlan(id="d", size=1 << 20, boot=True)]
    return Wave(source=source, cloud="c", vms=[VmPlan(id=n, name=n, vcpus=1, memory=512, disks=disks) for n in names])


def ran(ledger: Ledger, job: str, what: Wave, **states: State) -> None:
    """As if the wave had been run by `job`, and its machines stood in these states now."""
    children = tuple(Plan(vm.name, operation.VM_OPERATION, params={"machine": vm.id}) for vm in what.vms)
    plan = Plan(job, operation.OPERATION, params={"waves": [what.model_dump(mode="json")]}, children=children)
    ids = {id(plan): job} | {id(c): f"{job}.{n}" for n, c in enumerate(children)}
    ledger.add(ids, plan, State.QUEUED, locks=[])
    for n, child in enumerate(children):
        ledger.set_state(f"{job}.{n}", states[child.title])


def names(what: Wave) -> list[str]:
    return [vm.name for vm in what.vms]


def test_those_that_failed_and_those_that_are_new_are_left(ledger: Ledger) -> None:
    ran(ledger, "j1", make("a", "b", "c"), a=State.DONE, b=State.FAILED, c=State.RUNNING)
    assert names(history.left(make("a", "b", "c", "d"), ledger)) == ["b", "d"]


def test_the_newest_run_of_a_machine_counts(ledger: Ledger) -> None:
    ran(ledger, "j1", make("a", "b"), a=State.DONE, b=State.FAILED)
    ran(ledger, "j2", make("b"), b=State.DONE)
    with pytest.raises(InputError, match="Every machine"):
        history.left(make("a", "b"), ledger)
    ran(ledger, "j3", make("a"), a=State.ROLLED_BACK)
    assert names(history.left(make("a", "b"), ledger)) == ["a"]


def test_a_machine_that_was_edited_is_the_same_one_and_one_of_another_source_is_not(ledger: Ledger) -> None:
    ran(ledger, "j1", make("a"), a=State.DONE)
    edited = make("a", "b")
    edited = edited.model_copy(update={"vms": [edited.vms[0].model_copy(update={"vcpus": 4}), edited.vms[1]]})
    assert names(history.left(edited, ledger)) == ["b"]
    assert names(history.left(make("a", source="files:///other"), ledger)) == ["a"]


def test_a_wave_that_ran_in_parts_is_all_of_its_jobs(ledger: Ledger) -> None:
    whole = make("a", "b")
    ran(ledger, "j1", whole, a=State.DONE, b=State.FAILED)
    ran(ledger, "j2", make("b"), b=State.FAILED)
    ran(ledger, "j3", make("b"), b=State.DONE)
    ran(ledger, "x", make("b", "z"), b=State.FAILED, z=State.FAILED)
    assert history.jobs_of(whole, ledger) == ["j1", "j2", "j3"]
    assert history.newest(whole, ledger) == ["j1", "j3"]


def test_a_part_of_a_wave_by_its_names() -> None:
    assert names(wave.only(make("web1", "web2", "db"), "web*")) == ["web1", "web2"]
    with pytest.raises(InputError, match="mail"):
        wave.only(make("web1"), "mail*")

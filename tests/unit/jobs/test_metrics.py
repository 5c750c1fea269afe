from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from blue_wizard.errors import InputError
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.metrics import serve
from blue_wizard.jobs.model import Gate, Plan, State, Step, StepState


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    plan = Plan("p", "toy")
    made.add({id(plan): "j"}, plan, State.WAITING, locks=[])
    made.ask("j", 0, "a", Gate("sure?"))
    return made


def test_a_scrape_tells_what_is_in_the_ledger(ledger: Ledger) -> None:
    port = serve(ledger, "127.0.0.1:0")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    assert 'blue_wizard_jobs{operation="toy",state="waiting"} 1.0' in lines
    assert 'blue_wizard_jobs{operation="toy",state="stuck"} 0.0' in lines
    assert "blue_wizard_gates_open 1.0" in lines
    assert "blue_wizard_workers 0.0" in lines
    with pytest.raises(InputError, match=str(port)):
        serve(ledger, f"127.0.0.1:{port}")


def _scrape(ledger: Ledger) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{serve(ledger, '127.0.0.1:0')}/metrics", timeout=5) as answer:
        return [line for line in answer.read().decode().splitlines() if line.startswith("blue_wizard_bytes_per_second")]


def test_what_copies_move_is_told_by_their_source(ledger: Ledger) -> None:
    assert _scrape(ledger) == []
    step = Step("import.0", "toy.make", {}, "import")
    for job, source, unit, rate in (
        ("a", "vsphere:vc", "B", 1000.4),
        ("b", "vsphere:vc", "B", 500.0),
        ("c", "kvm:old", "B", 7.0),
        ("d", "kvm:old", "PG", 99.0),
    ):
        plan = Plan(job, "toy", steps=(step,), target=source)
        ledger.add({id(plan): job}, plan, State.RUNNING, locks=[])
        ledger.set_step(job, 0, StepState.RUNNING)
        ledger.set_progress(job, 0, {"done": 1, "total": 9, "unit": unit, "rate": rate})
    assert _scrape(ledger) == [
        'blue_wizard_bytes_per_second{source="kvm:old"} 7.0',
        'blue_wizard_bytes_per_second{source="vsphere:vc"} 1500.0',
    ]
    ledger.set_step("c", 0, StepState.DONE)
    assert _scrape(ledger) == ['blue_wizard_bytes_per_second{source="vsphere:vc"} 1500.0']


@pytest.mark.parametrize("address", ["9716", ":9716", "here:", "here:http"])
def test_what_is_no_address_is_named(ledger: Ledger, address: str) -> None:
    with pytest.raises(InputError, match=address):
        serve(ledger, address)

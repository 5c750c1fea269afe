from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from blue_wizard.errors import InputError
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.metrics import serve
from blue_wizard.jobs.model import Gate, Plan, State


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


@pytest.mark.parametrize("address", ["9716", ":9716", "here:", "here:http"])
def test_what_is_no_address_is_named(ledger: Ledger, address: str) -> None:
    with pytest.raises(InputError, match=address):
        serve(ledger, address)

"""The lab itself: a no-op when it is up, whole again after kill -9, nothing left after it is taken down."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress

import pytest

from lab import up

from .conftest import Lab, until

# The lab is built anew: on a slow machine that takes long.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]


def _standing_on(name: str) -> set[str]:
    """The parts that need the one of that name, directly or through others."""
    direct = {p.name for p in up.wanted().values() if name in p.needs}
    return direct.union(*(_standing_on(n) for n in direct))


@pytest.mark.drawn("lab")
def test_up_again_does_nothing_and_a_dead_service_is_repaired(lab: Lab) -> None:
    assert "everything is up already" in lab.run("up").stderr
    pid = lab.on("ctl1", "cat", "/run/lab/glance.pid").strip()
    lab.on("ctl1", "kill", "-9", pid)
    status = json.loads(lab.run("status", "-o", "json", code=1).stdout)
    assert {name for name, alive in status.items() if not alive} == {"glance"} | _standing_on("glance")
    repaired = lab.run("up").stderr
    assert "glance" in repaired
    assert "host:ctl1" not in repaired
    lab.run("status")


@pytest.mark.drawn("lab")
def test_whole_again_after_everything_was_killed_and_nothing_left_after_down(lab: Lab) -> None:
    for pid in up._processes():
        # The first process of a host takes all others of it along.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not up._processes(), "the lab's processes to end", 30)
    assert up.leftovers(), "namespaces, links and loop devices should still be there"
    lab.run("status", code=1)
    lab.run("up", timeout=900)
    lab.run("status")
    lab.run("down")
    assert up.leftovers() == []
    assert not up.STATE.exists()

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from blue_wizard.maintain import probes
from blue_wizard.reach import computes, openstack

from .fakes import Nova


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Nova], Nova]:
    """Let the actions work on this cloud, without waiting and without pings."""

    def install(nova: Nova) -> Nova:
        monkeypatch.setattr(openstack, "connect", lambda _name: nova)
        monkeypatch.setattr(computes, "domains", nova.domains)
        monkeypatch.setattr(computes, "running", nova.running)
        monkeypatch.setattr("time.sleep", lambda _s: None)
        monkeypatch.setattr(probes, "_watches", {})
        return nova

    return install


@pytest.fixture
def args() -> dict[str, Any]:
    return {
        "cloud": "lab",
        "host": "cmp1",
        "service": "svc-cmp1",
        "server": "s1",
        "name": "web",
        "source": "cmp1",
        "dest": "cmp2",
        "silence_s": 30.0,
        "timeout_s": 300.0,
    }

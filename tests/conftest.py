"""Options and fixtures of all tests: the lab is brought up once, only when a selected test needs it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import drawn
from tests.told import Told

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--whole", action="store_true", help="run the matrices whole instead of a sample")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    # Of several processes each draws the samples: they must not disagree around midnight.
    drawn.seed()
    config.pluginmanager.register(drawn)
    shows = config.pluginmanager.get_plugin("terminalreporter")
    # The processes of xdist show nothing themselves.
    if shows:
        config.pluginmanager.register(Told(shows))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """There is one lab: of several processes one takes all tests that need it, first; the others share the rest."""
    from xdist.scheduler import LoadScopeScheduling

    class OneLab(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "lab" if nodeid.startswith("tests/lab/") else nodeid

    return OneLab(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Cheap first. Of the lab, an inspection of a healthy cloud comes before anything is broken there; the demonstration waits
    # until the other process is done and the machine is its own; what tears the lab down comes last.
    rank = {"unit": 0, "formats": 1, "reach": 2, "diagnose": 2, "kvm": 2, "vcenter": 2, "crash": 3, "lab": 4}
    order = {"test_inspection.py": -1, "test_demo.py": 1, "test_lab_lifecycle.py": 2}
    items.sort(
        key=lambda i: (
            rank.get(i.path.relative_to(ROOT / "tests").parts[0], 0),
            order.get(i.path.name, 0),
        )
    )
    if not config.getoption("--whole"):
        dropped = [i for i in items if i.get_closest_marker("slow")]
        items[:] = [i for i in items if not i.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=dropped)


@pytest.fixture(autouse=True)
def _own_configuration(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """No test reads the configuration, clouds or language of whoever runs it."""
    if "_lab_up" in request.fixturenames:
        yield
        return
    from blue_wizard import config, text

    for name in [n for n in os.environ if n.startswith(("BLUE_WIZARD_", "OS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    config.load.cache_clear()
    text.use("en")
    yield
    # The command line hands its choices to its children by the environment; they end with the test.
    for name in [n for n in os.environ if n.startswith("BLUE_WIZARD_")]:
        del os.environ[name]
    config.load.cache_clear()


@pytest.fixture(scope="session")
def _lab_up() -> Iterator[None]:
    lab = ROOT / "lab" / "lab"
    was_up = subprocess.run([lab, "status"], capture_output=True, check=False).returncode == 0
    if not was_up:
        subprocess.run([lab, "up"], check=True)
    yield
    # A test may have taken down what its user had left up.
    subprocess.run([lab, "up" if was_up else "down"], check=True)

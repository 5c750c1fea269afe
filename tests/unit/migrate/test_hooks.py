"""Commands of the operator's own: what they are told, what is kept of them, and how they fail."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.targets.hooks import RunHook

from .hands import Hands


def _args(*command: str, undo: tuple[str, ...] = (), timeout: float = 20) -> dict[str, Any]:
    return {"command": list(command), "undo": list(undo), "timeout": timeout, "environment": {"BW_NAME": "shop; rm"}}


def test_it_is_told_what_it_is_about_and_its_words_are_kept() -> None:
    ctx = Hands({"server": {"server_id": "s-1"}})
    found = RunHook().do(ctx, _args("/bin/sh", "-c", 'echo "$BW_NAME $BW_SERVER_ID $BW_JOB"; echo err >&2'))
    assert found == {"output": "shop; rm s-1 j1\nerr"}


def test_before_the_server_is_made_there_is_none() -> None:
    assert RunHook().do(Hands({}), _args("/bin/sh", "-c", 'echo "<$BW_SERVER_ID>"')) == {"output": "<>"}


def test_there_is_no_shell(tmp_path: Path) -> None:
    target = tmp_path / "made"
    assert RunHook().do(Hands({}), _args("/bin/echo", f"; touch {target}"))["output"] == f"; touch {target}"
    assert not target.exists()


def test_a_failure_is_told_in_its_own_words() -> None:
    with pytest.raises(StepFailed, match=r"failed \(3\): the balancer says no"):
        RunHook().do(Hands({}), _args("/bin/sh", "-c", "echo the balancer says no; exit 3"))


def test_what_is_not_there_can_not_be_run() -> None:
    with pytest.raises(StepFailed, match="can't be run"):
        RunHook().do(Hands({}), _args("/no/such/hook"))


def test_one_that_hangs_is_ended_with_all_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(StepFailed, match="was not done after"):
        RunHook().do(Hands({}), _args("/bin/sh", "-c", f"sleep 60 & echo $! > {pid}; wait", timeout=0.4))
    assert time.monotonic() - began < 5
    for _try in range(100):
        state = Path(f"/proc/{pid.read_text().strip()}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.02)
    else:
        os.kill(int(pid.read_text()), 9)
        pytest.fail("the child lives on")


def test_what_has_begun_is_taken_back_and_nothing_else(tmp_path: Path) -> None:
    ctx, undone = Hands({}), tmp_path / "undone"
    args = _args("/bin/false", undo=("/usr/bin/touch", str(undone)))
    RunHook().undo(ctx, args, None)
    assert not undone.exists()
    with pytest.raises(StepFailed):
        RunHook().do(ctx, args)
    RunHook().undo(ctx, args, None)
    assert undone.exists()
    assert RunHook().by_hand(ctx, args, None) == f"/usr/bin/touch {undone}"

"""Every call to the outside is an event of the step that made it."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from blue_wizard import tracing
from blue_wizard.jobs.context import StepContext
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State, Step
from blue_wizard.masking import learn
from blue_wizard.reach.openstack import ApiError, Cloud

CALLS: list[tuple[str, str, str, str]] = []


class _Reply:
    def __init__(self, status: int) -> None:
        self.status_code, self.content, self.text = status, b"{}", '{"error": {"message": "no"}}'
        self.headers = {"x-openstack-request-id": "req-1"}


class _Sdk:
    """A connection whose every service answers with one status."""

    def __init__(self, status: int) -> None:
        self.status, self.current_project_id, self.default_microversion = status, "p", None
        self.compute = self

    def request(self, path: str, method: str, **_rest: object) -> _Reply:
        return _Reply(self.status)


def _record(*call: str) -> None:
    CALLS.append(call)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    CALLS.clear()


def test_calls_that_change_a_cloud_are_told_and_reads_are_not() -> None:
    cloud = Cloud("lab", _Sdk(202))
    with tracing.recording(_record):
        cloud.post("compute", "/servers?all=1", {"server": {"adminPass": "x"}})
        cloud.get("compute", "/servers")
        with pytest.raises(ApiError):
            Cloud("lab", _Sdk(409)).put("compute", "/servers/1", {})
    cloud.delete("compute", "/servers/1")
    assert CALLS == [
        ("api", "lab compute", "POST /servers", "202 req-1"),
        ("api", "lab compute", "PUT /servers/1", "409 req-1"),
    ]


def test_local_commands_are_told_by_the_thread_of_the_step_alone() -> None:
    with tracing.recording(_record):
        subprocess.run(["true", "a b"], check=True)
        other = threading.Thread(target=lambda: subprocess.run(["true", "other"], check=True))
        other.start()
        other.join()
    subprocess.run(["true", "late"], check=True)
    assert CALLS == [("argv", "localhost", "true 'a b'", "")]


def test_a_call_is_an_event_with_target_result_and_actor_and_without_secrets(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    plan = Plan("p", "toy", steps=(Step("a", "toy.make", {}, "a"),))
    ledger.add({id(plan): "j"}, plan, State.RUNNING, locks=[])
    context = StepContext(ledger, "j", 0, "a")
    learn("hunter2-hunter2")
    for _again in range(3):
        context.called("argv", "cmp1", "tool --key hunter2-hunter2", "exit 0")
    context.called("argv", "cmp1", "tool --key hunter2-hunter2", "exit 1")
    for _again in range(2):
        context.called("api", "lab compute", "POST /servers", "202")
    calls = [e for e in ledger.events(["j"]) if e["kind"] == "call"]
    assert [(e["message"], e["data"]["result"]) for e in calls] == [
        ("tool --key ***", "exit 0"),
        ("tool --key ***", "exit 1"),
        ("POST /servers", "202"),
        ("POST /servers", "202"),
    ]
    assert {e["data"]["target"] for e in calls} == {"cmp1", "lab compute"}
    assert all("@" in e["data"]["by"] and e["step"] == "a" for e in calls)

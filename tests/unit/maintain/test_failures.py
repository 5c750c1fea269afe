"""Failures that can't be injected on the lab at the right moment, on a cloud of plain data; and that none is without a test."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.maintain import patient
from blue_wizard.maintain.actions import cordon
from blue_wizard.maintain.actions.cold import ColdMigrate
from blue_wizard.maintain.actions.live import Arrive, Begin
from blue_wizard.maintain.actions.power import Rest
from blue_wizard.maintain.model import Verb, Wishes
from blue_wizard.maintain.verbs import assess
from blue_wizard.reach.openstack import ApiError
from tests.failures import FAILURES

from .fakes import Context, Nova, api_server, server
from .test_actions import FakeTime

Use = Callable[[Nova], Nova]
ROOT = Path(__file__).resolve().parents[3]


def test_every_failure_is_injected_somewhere() -> None:
    files = [*(ROOT / "tests" / "unit" / "maintain").glob("*.py"), *(ROOT / "tests" / "lab").glob("test_host*.py")]
    marks = re.findall(r"mark\.failure\(([^)]*)\)", "".join(f.read_text() for f in files))
    assert set(re.findall(r'"(b\d+)"', "".join(marks))) == set(FAILURES)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look takes half a minute."""
    for module in ("blue_wizard.maintain.actions.live", "blue_wizard.jobs.polling", "blue_wizard.maintain.patient"):
        monkeypatch.setattr(f"{module}.time", FakeTime())


def _begun(args: dict[str, Any], ctx: Context) -> dict[str, Any]:
    ctx.outcomes["start.s1"] = Begin().do(ctx, args)
    return {**args, "begin": "start.s1"}


def _asked(nova: Nova) -> list[str]:
    return [next(iter(c[2])) for c in nova.calls if c[0] == "POST"]


@pytest.mark.failure("b4", "b6")
@pytest.mark.usefixtures("quick")
def test_a_migration_that_nobody_ends_says_who_is_dead_and_can_be_undone_later(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server(), fate="running")), Context()
    arrive = _begun(args, ctx)
    nova.services["cmp1"]["state"] = "down"
    nova.ends = False
    with pytest.raises(StepFailed, match="to end") as told:
        Arrive().do(ctx, arrive)
    assert "nova-compute is down on cmp1" in told.value.hint
    with pytest.raises(StepFailed, match="to end") as told:
        Begin().undo(ctx, args, ctx.outcomes["start.s1"])
    assert f"job rollback {ctx.job_id}" in told.value.hint
    # It is started again, and ends what it had under way; the second undoing finds all well.
    nova.migrations[0]["status"] = "error"
    nova.servers["s1"]["OS-EXT-STS:task_state"] = None
    Begin().undo(ctx, args, ctx.outcomes["start.s1"])
    assert nova.servers["s1"]["OS-EXT-SRV-ATTR:host"] == "cmp1"


@pytest.mark.failure("b6")
@pytest.mark.usefixtures("quick")
def test_a_server_whose_message_was_lost_is_not_touched_but_told(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server(task="migrating"))), Context(notes={"before": 0})
    with pytest.raises(StepFailed, match="to begin"):
        Begin().do(ctx, args)
    with pytest.raises(StepFailed, match="to rest") as told:
        Begin().undo(ctx, args, None)
    assert "server set --state active s1" in told.value.hint
    assert nova.calls == []


@pytest.mark.failure("b7")
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("undone", [False, True])
def test_a_guest_that_has_gone_while_nova_has_it_on_its_old_host(
    use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch, undone: bool
) -> None:
    nova, ctx = use(Nova(api_server())), Context()
    arrive = _begun(args, ctx)
    nova.migrations[0]["status"] = "completed"
    nova.servers["s1"]["OS-EXT-STS:task_state"] = None
    _guests(monkeypatch, cmp2={"s1"})
    with pytest.raises(StepFailed, match=r"on cmp1.*cmp1: none, cmp2: runs"):
        Begin().undo(ctx, args, ctx.outcomes["start.s1"]) if undone else Arrive().do(ctx, arrive)
    assert _asked(nova) == ["os-migrateLive"]


def _guests(monkeypatch: pytest.MonkeyPatch, **hosts: set[str]) -> None:
    found = "blue_wizard.reach.computes"
    monkeypatch.setattr(f"{found}.domains", lambda _c, host, **_m: dict.fromkeys(hosts.get(host, ()), "x"))
    monkeypatch.setattr(f"{found}.running", lambda _c, host, **_m: frozenset(hosts.get(host, ())))


@pytest.mark.failure("b9")
@pytest.mark.usefixtures("quick")
def test_a_guest_on_both_hosts_is_neither_arrived_nor_moved_again(
    use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    nova, ctx = use(Nova(api_server())), Context()
    arrive = _begun(args, ctx)
    _guests(monkeypatch, cmp1={"s1"}, cmp2={"s1"})
    with pytest.raises(StepFailed, match="cmp1 still has its guest"):
        Arrive().do(ctx, arrive)
    with pytest.raises(StepFailed, match="cmp1: runs, cmp2: runs"):
        Begin().undo(ctx, args, ctx.outcomes["start.s1"])
    assert _asked(nova) == ["os-migrateLive"]


@pytest.mark.failure("b10")
def test_a_stale_binding_is_deleted_before_nova_is_asked(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server())), Context()
    nova.bindings = {"cmp1": "ACTIVE", "cmp2": "INACTIVE"}
    Arrive().do(ctx, _begun(args, ctx))
    assert nova.bindings == {"cmp1": "ACTIVE"}
    assert [c[0] for c in nova.calls] == ["DELETE", "POST"]


@pytest.mark.failure("b11")
@pytest.mark.usefixtures("quick")
def test_a_server_that_is_not_heard_after_its_move_has_not_arrived(
    use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(Nova(api_server()))
    ctx = Context()
    arrive = _begun(args, ctx)
    heard = iter([False, False, True])
    monkeypatch.setattr("blue_wizard.maintain.probes.Watch.heard_anew", lambda _self: next(heard))
    assert Arrive().do(ctx, arrive)["host"] == "cmp2"
    use(Nova(api_server()))
    other = Context()
    arrive = _begun(args, other)
    monkeypatch.setattr("blue_wizard.maintain.probes.Watch.heard_anew", lambda _self: False)
    with pytest.raises(StepFailed, match="not been heard since"):
        Arrive().do(other, arrive)


@pytest.mark.failure("b11")
@pytest.mark.usefixtures("quick")
def test_a_server_that_is_not_heard_at_home_is_told_once(
    use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    nova, ctx = use(Nova(api_server())), Context()
    Arrive().do(ctx, _begun(args, ctx))
    monkeypatch.setattr("blue_wizard.maintain.probes.Watch.heard_anew", lambda _self: False)
    with pytest.raises(StepFailed, match="not been heard since") as told:
        Begin().undo(ctx, args, ctx.outcomes["start.s1"])
    assert "blue-wizard diagnose network s1" in told.value.hint
    assert nova.servers["s1"]["OS-EXT-SRV-ATTR:host"] == "cmp1"
    # It is home, and whoever rolls back once more has seen it.
    Begin().undo(ctx, args, ctx.outcomes["start.s1"])


@pytest.mark.failure("b8")
@pytest.mark.usefixtures("quick")
def test_a_server_that_was_mended_has_to_be_heard_too(
    use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(Nova(api_server(), fate="late"))
    ctx = Context()
    arrive = _begun(args, ctx)
    monkeypatch.setattr("blue_wizard.maintain.probes.Watch.heard_anew", lambda _self: False)
    with pytest.raises(StepFailed, match="not been heard since"):
        Arrive().do(ctx, arrive)


@pytest.mark.failure("b12")
def test_a_cpu_that_does_not_fit_is_told_in_novas_words(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server(), fate="error")), Context()
    nova.why = "Unacceptable CPU info: CPU doesn't have compatibility."
    arrive = _begun(args, ctx)
    with pytest.raises(StepFailed, match="CPU doesn't have compatibility"):
        Arrive().do(ctx, arrive)
    Begin().undo(ctx, args, ctx.outcomes["start.s1"])
    assert nova.servers["s1"]["OS-EXT-SRV-ATTR:host"] == "cmp1"


class Bursts(Nova):
    """Fails with 503 for so many calls, each time one has got through. `heard`: a POST that fails has had its effect."""

    heard = True

    def __init__(self, *servers: dict[str, Any], fate: str = "completed") -> None:
        super().__init__(*servers, fate=fate)
        self.burst = self.posts = 0

    def _maybe(self) -> None:
        self.burst = (self.burst + 1) % 3
        if self.burst:
            raise ApiError("compute", "GET", "/", 503, "no backend")

    def get(self, service: str, path: str, **options: Any) -> Any:
        self._maybe()
        return super().get(service, path, **options)

    def list(self, service: str, path: str, key: str, **options: Any) -> Any:
        self._maybe()
        return super().list(service, path, key, **options)

    def put(self, service: str, path: str, body: Any) -> None:
        self._maybe()
        super().put(service, path, body)

    def post(self, service: str, path: str, body: Any) -> None:
        self.posts = (self.posts + 1) % 3
        if self.heard or not self.posts:
            super().post(service, path, body)
        if self.posts:
            raise ApiError("compute", "POST", path, 504, "time-out")


class Deaf(Bursts):
    """A POST that fails has had no effect."""

    heard = False


@pytest.mark.failure("b30")
@pytest.mark.parametrize("cloud", [Bursts, Deaf])
def test_bursts_of_errors_are_sat_out_and_nothing_is_begun_twice(
    use: Use, args: dict[str, Any], cloud: type[Bursts]
) -> None:
    nova, ctx = use(cloud(api_server())), Context()
    close = {"cloud": "lab", "host": "cmp1", "service": "svc-cmp1", "reason": "reboot", "foreign": ""}
    cordon.Disable().do(ctx, close)
    assert nova.services["cmp1"]["status"] == "disabled"
    assert Arrive().do(ctx, _begun(args, ctx))["host"] == "cmp2"
    assert _asked(nova) == ["os-migrateLive"]
    assert ("wait", "an API fails") in ctx.events
    Begin().undo(ctx, args, ctx.outcomes["start.s1"])
    assert nova.servers["s1"]["OS-EXT-SRV-ATTR:host"] == "cmp1"
    assert nova.services["cmp1"]["status"] == "enabled"
    off = use(cloud(api_server(vm_state="stopped"), fate="finished"))
    assert ColdMigrate().do(Context(), args)["host"] == "cmp2"
    assert _asked(off)[0] == "migrate"
    assert _asked(off).count("migrate") == 1
    resting = use(cloud(api_server()))
    Rest().do(Context(), args)
    assert resting.servers["s1"]["OS-EXT-STS:vm_state"] == "stopped"


@pytest.mark.failure("b30")
@pytest.mark.usefixtures("quick")
def test_patience_has_an_end_and_a_refusal_is_no_outage(use: Use) -> None:
    class Gone(Nova):
        def get(self, service: str, path: str, **_options: Any) -> Any:
            raise ApiError(service, "GET", path, 403 if "forbidden" in path else 502, "no")

    use(Gone())
    cloud = patient.connect("lab", Context())
    with pytest.raises(ApiError, match="403"):
        cloud.get("compute", "/forbidden")
    with pytest.raises(ApiError, match="502"):
        cloud.get("compute", "/servers/s1")


@pytest.mark.failure("b32")
def test_a_huge_server_has_time_in_proportion() -> None:
    huge = assess(server(ram=512 << 10, disk=0), (), Wishes(), dead=False)
    assert huge.verb is Verb.LIVE
    # At 100 MiB/s it takes an hour and a half; Nova's own limit (800 s for each GiB) is over only after days.
    assert 5000 < huge.seconds < 6000


@pytest.mark.failure("b17")
def test_its_owner_reboots_a_server_just_now(use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    nova, ctx = use(Nova(api_server(task="rebooting"))), Context()
    monkeypatch.setattr("time.sleep", lambda _s: nova.servers["s1"].update({"OS-EXT-STS:task_state": None}))
    assert Begin().probe(ctx, args) is None
    ctx.outcomes["start.s1"] = Begin().do(ctx, args)
    monkeypatch.setattr("time.sleep", lambda _s: None)
    assert Arrive().do(ctx, {**args, "begin": "start.s1"})["host"] == "cmp2"


@pytest.mark.failure("b17")
@pytest.mark.parametrize("killed", [False, True])
def test_its_owner_shuts_a_server_down_before_its_turn(use: Use, args: dict[str, Any], killed: bool) -> None:
    nova, ctx = use(Nova(api_server(vm_state="stopped"))), Context()
    if killed:
        # The worker has asked, and was killed before it could confirm.
        nova.post("compute", "/servers/s1/action", {"migrate": {"host": "cmp2"}})
        ctx.notes["before"] = 0
        while nova.servers["s1"]["OS-EXT-STS:vm_state"] != "resized":
            nova.get("compute", "/servers/s1")
        assert Begin().probe(ctx, args) is None
    ctx.outcomes["start.s1"] = Begin().do(ctx, args)
    assert ctx.outcomes["start.s1"]["away"] == "cmp2"
    assert Arrive().probe(ctx, {**args, "begin": "start.s1"})["host"] == "cmp2"  # type: ignore[index]
    assert _asked(nova) == ["migrate", "confirmResize"]
    Begin().undo(ctx, args, ctx.outcomes["start.s1"])
    assert nova.servers["s1"]["OS-EXT-SRV-ATTR:host"] == "cmp1"


@pytest.mark.failure("b17")
def test_an_unconfirmed_cold_move_of_a_server_that_was_shut_down_is_reverted(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server(vm_state="stopped"))), Context(notes={"before": 0})
    nova.post("compute", "/servers/s1/action", {"migrate": {"host": "cmp2"}})
    Begin().undo(ctx, args, None)
    assert _asked(nova) == ["migrate", "revertResize"]
    assert nova.servers["s1"]["OS-EXT-SRV-ATTR:host"] == "cmp1"

"""A server that has arrived and is not heard: its ports are wired again, and nothing of them is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.maintain import rewire
from blue_wizard.maintain.actions.live import Arrive, Begin
from blue_wizard.maintain.probes import Watch
from blue_wizard.reach.openstack import ApiError

from .fakes import Context, Nova, api_server

Use = Callable[[Nova], Nova]
WIRED = ("effect", "wire port again")


class Wired(Nova):
    """Keeps the descriptions of a port, and lets its server be heard again once it was wired again (`heals`)."""

    def __init__(self, told: str = "eth0 of web", *, fate: str = "completed", heals: bool = True) -> None:
        super().__init__(api_server(), fate=fate)
        self.told, self.seen, self.heals, self.refuses = told, [told], heals, False

    def list(self, service: str, path: str, key: str) -> list[dict[str, Any]]:
        found = super().list(service, path, key)
        return [{**p, "description": self.told} for p in found] if key == "ports" else found

    def put(self, service: str, path: str, body: Mapping[str, Any]) -> None:
        if service != "network":
            super().put(service, path, body)
            return
        if self.refuses:
            raise ApiError(service, "PUT", path, 400, "no such attribute")
        assert path == "/ports/port"
        assert set(body["port"]) == {"description"}
        self.told = body["port"]["description"]
        self.seen.append(self.told)

    def heard(self) -> bool:
        return self.heals and len(self.seen) > 1


@pytest.fixture
def mute(use: Use, monkeypatch: pytest.MonkeyPatch) -> Callable[[Wired], Wired]:
    def install(nova: Wired) -> Wired:
        use(nova)
        monkeypatch.setattr("blue_wizard.maintain.probes.Watch.heard_anew", lambda _self: nova.heard())
        monkeypatch.setattr("blue_wizard.maintain.actions.live._AGREE_S", 0.05)
        monkeypatch.setattr(rewire, "_AFTER_S", 0.0)
        return nova

    return install


def _arrive(args: dict[str, Any], ctx: Context) -> Any:
    ctx.outcomes["start.s1"] = Begin().do(ctx, args)
    return Arrive().do(ctx, {**args, "begin": "start.s1"})


@pytest.mark.failure("b11")
@pytest.mark.parametrize("fate", ["completed", "late"])
@pytest.mark.parametrize("told", ["", "eth0 of web", "x" * 255])
def test_it_is_heard_after_its_ports_were_wired_again(
    mute: Callable[[Wired], Wired], args: dict[str, Any], fate: str, told: str
) -> None:
    nova, ctx = mute(Wired(told, fate=fate)), Context()
    outcome = _arrive(args, ctx)
    assert (outcome["host"], outcome["rewired"], outcome["mended"]) == ("cmp2", True, fate == "late")
    assert ctx.events.count(WIRED) == 1
    between = nova.seen[1]
    assert nova.seen == [told, between, told]
    assert between != told
    assert len(between) <= 255


@pytest.mark.failure("b11")
def test_what_does_not_help_is_done_once_and_the_server_has_not_arrived(
    mute: Callable[[Wired], Wired], args: dict[str, Any]
) -> None:
    nova, ctx = mute(Wired(heals=False)), Context()
    with pytest.raises(StepFailed, match="not been heard since"):
        _arrive({**args, "silence_s": 0.5}, ctx)
    assert ctx.events.count(WIRED) == 1
    assert nova.told == "eth0 of web"


def test_where_neutron_refuses_it_is_told_in_the_log(mute: Callable[[Wired], Wired], args: dict[str, Any]) -> None:
    nova, ctx = mute(Wired(heals=False)), Context()
    nova.refuses = True
    with pytest.raises(StepFailed, match="not been heard since"):
        _arrive({**args, "silence_s": 0.5}, ctx)
    assert ("wait", "port was not wired again") in ctx.events


def test_who_is_heard_is_left_alone(mute: Callable[[Wired], Wired], args: dict[str, Any]) -> None:
    nova, ctx = mute(Wired()), Context()
    nova.seen.append("heard all the time")
    outcome = _arrive(args, ctx)
    assert (outcome["rewired"], nova.calls[-1][0]) == (False, "POST")


def test_an_agent_is_given_its_time(mute: Callable[[Wired], Wired], monkeypatch: pytest.MonkeyPatch) -> None:
    nova, ctx, clock = mute(Wired(heals=False)), Context(), iter([0.0, 9.0, 10.0, 11.0])
    monkeypatch.setattr(rewire, "_AFTER_S", 10.0)
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    once = rewire.Once(ctx, nova, "s1", Watch([]))  # type: ignore[arg-type]
    done = []
    for _look in range(4):
        assert not once.heard()
        done.append(once.done)
    assert done == [False, False, True, True]
    assert ctx.events.count(WIRED) == 1

"""The plan of a machine that is copied while it runs, and what speaks against it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from blue_wizard.errors import InputError, Refused, StepFailed
from blue_wizard.jobs.actions import find, load
from blue_wizard.jobs.model import Risk
from blue_wizard.jobs.windows import bound
from blue_wizard.migrate import source_findings
from blue_wizard.migrate.invariant import judge
from blue_wizard.migrate.machine import Power
from blue_wizard.migrate.steps import vm_steps
from blue_wizard.migrate.targets.power import PowerOff
from blue_wizard.migrate.warm import ready
from blue_wizard.migrate.warm.protocol import Terms
from blue_wizard.migrate.wave import Warm, Wave
from tests.unit.migrate.hands import Hands
from tests.unit.migrate.test_steps import MACHINE, SITE, make
from tests.unit.migrate.warm.fake import Running


def warm(**fields: Any) -> Wave:
    return make(shutdown=True, warm=Warm(**fields))


def test_the_copy_comes_before_the_shutdown_and_the_rest_after_it() -> None:
    wave = warm()
    steps = vm_steps(wave, wave.vms[0], SITE, Power.ON, prepare="tracking is enabled")
    assert [s.id for s in steps if s.id.partition(".")[0] not in {"port", "volume"}] == [
        "server", "stop", "prepare", "warm", "off", "final", "attach.0", "start", "verify", "forget",
    ]  # fmt: skip
    load()
    assert all(find(s.verb).verb == s.verb for s in steps)
    assert steps[-1].args["prepared"] == "prepare"


def test_without_a_need_nothing_is_prepared() -> None:
    wave = warm()
    steps = {s.id: s for s in vm_steps(wave, wave.vms[0], SITE, Power.ON)}
    assert "prepare" not in steps
    assert "prepared" not in steps["forget"].args


def test_only_the_cut_over_waits_for_a_person_and_a_window() -> None:
    wave = warm()
    steps = vm_steps(wave, wave.vms[0], SITE, Power.ON)
    assert [s.id for s in steps if s.gate] == ["off"]
    assert [s.id for i, s in enumerate(steps) if bound(steps, i)] == ["off"]
    assert next(s for s in steps if s.id == "off").risk is Risk.HIGH
    auto = warm(cutover="auto")
    assert not [s for s in vm_steps(auto, auto.vms[0], SITE, Power.ON) if s.gate]


def test_a_machine_that_is_off_is_copied_as_it_is() -> None:
    wave = warm()
    verbs = [s.verb for s in vm_steps(wave, wave.vms[0], SITE, Power.OFF)]
    assert not [v for v in verbs if "warm" in v]
    assert "rbd.disk.import" in verbs
    assert make(replace(MACHINE, power=Power.OFF), warm=Warm()).vms[0].warm is None


def test_it_may_run_until_its_last_round() -> None:
    begun = ["port.0", "volume.0", "server", "stop", "warm", "off"]
    assert not judge("m", Power.ON, Power.ON, begun)
    assert judge("m", Power.ON, Power.ON, [*begun, "final"])


class Source(Running):
    """A source with terms."""

    def __init__(self, terms: Terms) -> None:
        super().__init__({"vda": 4096})
        self.terms = terms

    def warm_terms(self, _machine: str) -> Terms:
        return self.terms


def findings(wave: Wave, source: object) -> list[tuple[bool, str]]:
    machines = {MACHINE.id: MACHINE}
    found = source_findings.check(wave, source, machines)  # type: ignore[arg-type]
    return [(f.holds, f.detail) for f in found]


def test_what_speaks_against_it() -> None:
    assert (False, "a lock") in findings(warm(), Source(Terms(("a lock",))))
    assert any(not holds and "only read while" in why for holds, why in findings(warm(), object()))
    staged = make(shutdown=True, warm=Warm(), staging="/srv")
    assert any(not holds and "staging" in why for holds, why in findings(staged, Source(Terms())))
    local = make(shutdown=True, warm=Warm(), storage="local")
    assert any(not holds and "storage: rbd" in why for holds, why in findings(local, Source(Terms())))
    cut = make(shutdown=True, warm=Warm(), power_off=True)
    assert any(not holds and "asks the guest" in why for holds, why in findings(cut, Source(Terms())))
    assert all(holds for holds, _why in findings(warm(), Source(Terms(notes=("slow",)))))


def test_what_is_changed_for_it_is_said() -> None:
    source = Source(Terms(prepare="tracking is enabled", notes=("vdb is raw",)))
    assert source_findings.warm_remarks(warm(), source) == ["m: tracking is enabled", "m: vdb is raw"]  # type: ignore[arg-type]


def view(*children: dict[str, Any]) -> dict[str, Any]:
    vms = [{"name": c["title"], "warm": {"estimate": {"seconds": c["s"]}, "fits": c["s"] < 30}} for c in children]
    return {"children": list(children), "report": {"vms": vms}}


def child(name: str, seconds: float, *, state: str = "waiting", cut: str = "pending") -> dict[str, Any]:
    gate = {"question": "?"} if state == "waiting" else None
    steps = [{"id": "off", "verb": "warm.cut", "state": cut}]
    return {"title": name, "job": f"j.{name}", "state": state, "steps": steps, "gate": gate, "s": seconds}


def test_those_that_wait_are_cut_over() -> None:
    found = ready.machines(view(child("a", 5), child("b", 6, state="running"), child("c", 7, cut="done")))
    assert [(m.name, m.asks) for m in found] == [("a", True), ("b", False)]
    assert [m.job for m in ready.choose(found, anyway=False)] == ["j.a"]
    assert [m.name for m in ready.machines(view(child("a", 5), child("b", 5)), "b*")] == ["b"]


def test_what_takes_too_long_needs_a_word_more() -> None:
    found = ready.machines(view(child("a", 5), child("slow", 50)))
    with pytest.raises(Refused, match="slow"):
        ready.choose(found, anyway=False)
    assert len(ready.choose(found, anyway=True)) == 2
    with pytest.raises(InputError):
        ready.choose([], anyway=True)


class Stubborn:
    """A machine whose guest does not go down."""

    def __init__(self) -> None:
        self.state, self.cuts = Power.ON, 0

    def power(self, _machine: str) -> Power:
        return self.state

    def shut_down(self, machine: str, **_how: Any) -> None:
        raise StepFailed(f"{machine} did not shut down")

    def start(self, _machine: str) -> None:
        self.state = Power.ON

    def cut_power(self, _machine: str) -> None:
        self.cuts += 1
        self.state = Power.OFF


def test_a_guest_is_switched_off_with_consent_only(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Stubborn()
    monkeypatch.setattr(PowerOff, "_control", lambda _self, _args: machine)
    args = {"source": "s", "machine": "m", "timeout": 1}
    with pytest.raises(StepFailed, match="did not shut down"):
        PowerOff().do(Hands({}), args)
    assert machine.cuts == 0
    PowerOff().do(Hands({}), {**args, "cut": True})
    assert machine.cuts == 1

"""A dead host and its BMC: sushy-tools' emulator is asked over HTTP, as a real one would be."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from blue_wizard import config
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.jobs.model import Plan
from blue_wizard.maintain.actions.campaign import Work
from blue_wizard.maintain.actions.dead import ForceDown
from blue_wizard.maintain.actions.fencing import PowerOff, PowerOn
from blue_wizard.maintain.leave import entered_of
from blue_wizard.maintain.model import Reason, Wishes
from blue_wizard.maintain.plan_enter import Options, compile_plan
from blue_wizard.maintain.plan_leave import Wanted
from blue_wizard.maintain.plan_leave import compile_plan as compile_leave
from blue_wizard.maintain.survey import Allowed, judge
from blue_wizard.reach import bmc, computes

from .fakes import Context, Nova, api_server, server, service, site

Use = Callable[[Nova], Nova]
ARGS = {"cloud": "lab", "host": "cmp1", "service": "svc-cmp1", "bmc": True}
SYSTEM = "27946b59-9e44-4fa7-8e91-f3527a1ef094"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("bmc")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # bcrypt of "secret", as htpasswd -B writes it.
    import bcrypt

    (folder / "users").write_text(f"op:{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}\n")
    settings = {
        "SUSHY_EMULATOR_FAKE_DRIVER": True,
        "SUSHY_EMULATOR_FAKE_SYSTEMS": [{"uuid": SYSTEM, "name": "cmp1", "power_state": "On", "nics": []}],
        "SUSHY_EMULATOR_STATE_DIR": str(folder),
        "SUSHY_EMULATOR_AUTH_FILE": str(folder / "users"),
        "SUSHY_EMULATOR_LISTEN_IP": "127.0.0.1",
        "SUSHY_EMULATOR_LISTEN_PORT": port,
    }
    (folder / "emulator.conf").write_text("".join(f"{k} = {v!r}\n" for k, v in settings.items()))
    # It lets each change of power take up to eleven seconds by chance.
    script = "import random; random.randint = lambda *_: 1; from sushy_tools.emulator.main import main; main()"
    with (folder / "log").open("w") as log:
        child = subprocess.Popen(
            [sys.executable, "-c", script, "--config", str(folder / "emulator.conf")], stdout=log, stderr=log
        )
        try:
            end = time.monotonic() + 30
            while True:
                with socket.socket() as looking:
                    if looking.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            child.terminate()
            child.wait(timeout=10)


@pytest.fixture
def configured(emulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    file = tmp_path / "config.yaml"
    access = {"url": emulator, "user": "op", "password_file": str(password)}
    file.write_text(yaml.safe_dump({"hosts": {"cmp1": {"bmc": access}, "cmp2": {"bmc": {**access, "user": "thief"}}}}))
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
    return emulator


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Nova:
    nova = Nova(api_server())
    nova.services["cmp1"].update(state="down", forced_down=False)
    monkeypatch.setattr("blue_wizard.reach.openstack.connect", lambda _name: nova)

    def silent(_host: str, **_more: Any) -> tuple[str, str]:
        raise StepFailed("no route to host")

    monkeypatch.setattr(computes, "boot_of", silent)
    return nova


@pytest.mark.usefixtures("configured")
def test_a_dead_host_is_switched_off_before_nova_is_told(dead: Nova) -> None:
    assert bmc.power_state("cmp1") == bmc.ON
    with pytest.raises(StepFailed, match="its BMC says On"):
        ForceDown().do(Context(), ARGS)
    assert "forced_down" not in str(dead.calls)
    ctx = Context()
    assert PowerOff().probe(ctx, ARGS) is None
    outcome = PowerOff().do(ctx, ARGS)
    PowerOff().verify(ctx, ARGS, outcome)
    assert bmc.power_state("cmp1") == bmc.OFF
    with pytest.raises(StepFailed, match="cmp1 stays off"):
        PowerOff().undo(ctx, ARGS, outcome)
    # A killed worker's successor finds it off.
    assert PowerOff().probe(Context(notes=dict(ctx.notes)), ARGS) == {"ours": True}
    ForceDown().do(Context(), ARGS)
    assert dead.services["cmp1"]["forced_down"] is True
    PowerOn().do(Context(), {"host": "cmp1"})
    assert PowerOn().probe(Context(), {"host": "cmp1"}) == {"on": True}


@pytest.mark.usefixtures("configured")
def test_a_host_that_answers_is_not_switched_off(dead: Nova) -> None:
    dead.services["cmp1"]["state"] = "up"
    with pytest.raises(StepFailed, match="not dead"):
        PowerOff().do(Context(), ARGS)
    assert bmc.power_state("cmp1") == bmc.ON


@pytest.mark.usefixtures("configured")
def test_what_a_bmc_refuses_and_what_is_not_known() -> None:
    with pytest.raises(StepFailed, match="BMC of cmp2"):
        bmc.power_state("cmp2")
    with pytest.raises(InputError, match="cmp9"):
        bmc.power_state("cmp9")
    assert not bmc.known("cmp9")


def _plan(power: str) -> Plan:
    found = site(server(), service=service("cmp1", up=False), alive=False, power=power)
    survey = judge(found, Wishes(), Allowed(evacuate=True))
    assert survey.ready
    return compile_plan("lab", survey, Options(Reason.HARDWARE), {"host": "cmp1"})


def test_with_a_bmc_nobody_is_asked_and_without_one_a_person_is() -> None:
    by_bmc = _plan(bmc.ON)
    assert [s.id for s in by_bmc.steps][:3] == ["cordon", "off", "fence"]
    assert all(s.gate is None for s in by_bmc.steps)
    assert by_bmc.steps[1].irreversible
    by_person = _plan("")
    assert [s.id for s in by_person.steps][:2] == ["cordon", "fence"]
    assert by_person.steps[1].gate is not None


def test_leaving_switches_on_what_was_switched_off() -> None:
    steps = [
        {"id": s.id, "verb": s.verb, "args": dict(s.args), "state": "done", "outcome": {"ours": True}}
        for s in _plan(bmc.ON).steps
    ]
    entered = entered_of({"job": "h-aaaaaa", "params": {}, "steps": steps}, "svc-cmp1", "nova")
    assert entered.off
    plan = compile_leave("lab", "cmp1", replace(entered, ours=True), (), (), Wanted(), {})
    assert [s.id for s in plan.steps][:4] == ["on", "back", "unfence", "ready"]


@pytest.mark.usefixtures("configured")
def test_a_host_that_does_not_come_back_is_restarted_by_its_bmc(monkeypatch: pytest.MonkeyPatch) -> None:
    boots = iter(["boot1"] * 4)
    monkeypatch.setattr(computes, "boot_of", lambda _h, **_m: (next(boots, "boot2"), "6.1"))
    monkeypatch.setattr("blue_wizard.maintain.actions.campaign._try_to_reboot", lambda _host: None)
    ctx = Context()
    outcome = Work().do(ctx, {"host": "cmp1", "run": [], "reboot": True, "timeout_s": 2.0})
    assert outcome["boot"] == "boot2"
    assert ("effect", "restart host by its BMC") in ctx.events
    assert json.dumps(ctx.notes)

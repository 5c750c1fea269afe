"""Facts are read side by side under a deadline. The script for hosts is run here for real, on this machine."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from blue_wizard import config
from blue_wizard.errors import StepFailed
from blue_wizard.facts import probe
from blue_wizard.facts.machine import Memory
from blue_wizard.facts.probe import Command, Files, Reading
from blue_wizard.inspect import collect, facts
from blue_wizard.inspect.facts import Everywhere, Missing, Reached
from blue_wizard.inspect.site import Site
from blue_wizard.reach import fanout, inventory, ssh
from blue_wizard.reach.faults import Fault
from blue_wizard.reach.inventories.entry import Entry

collect.register()


class Slow:
    """A fact that never comes."""


class Quick:
    """A fact that comes at once."""


class Refused:
    """A fact that is refused."""


class Broken:
    """A fact whose reader breaks."""


def _site() -> Site:
    return Site(config.load(), "c")


def test_a_fact_that_hangs_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()

    def refuse(_site: Site) -> Any:
        raise StepFailed("no rights")

    def breaks(_site: Site) -> Any:
        raise KeyError("x")

    ways = {Slow: lambda _s: never.wait(), Quick: lambda _s: Quick(), Refused: refuse, Broken: breaks}
    for kind, way in ways.items():
        monkeypatch.setitem(facts._providers, kind, way)
    found = collect.collect(_site(), set(ways), time.monotonic() + 0.3)
    never.set()
    assert isinstance(found.get(Quick), Quick)
    assert found.get(Refused) == Missing("no rights")
    assert isinstance(found.get(Slow), Missing)
    broken = found.get(Broken)
    assert isinstance(broken, Missing)
    assert "KeyError" in broken.why


def test_a_host_that_hangs_or_refuses_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    text = json.dumps(
        {
            "began": 5.0,
            "ended": 5.0,
            "out": {"Memory.files": {"files": {"/proc/meminfo": "MemTotal: 4 kB\nMemAvailable: 2 kB\n"}}},
        }
    )

    def run_all(hosts: Any, argv: Any, *, on_result: Any, **_options: Any) -> list[Any]:
        by_name = {h.name: h for h in hosts}
        on_result(fanout.Answer(by_name["well"], tuple(argv), ssh.Result(0, text, "", 4.0, 2.0)))
        on_result(fanout.Answer(by_name["refuses"], tuple(argv), None, Fault.LOGIN, "key refused"))
        on_result(
            fanout.Answer(by_name["bare"], tuple(argv), ssh.Result(127, "", "no python3"), Fault.STATUS, "no python3")
        )
        never.wait()
        return []

    windows = Entry("hv1", ("config",), system="windows")
    entries = (windows, *(Entry(name, ("config",)) for name in ("bare", "hangs", "refuses", "well")))
    monkeypatch.setattr(inventory, "read", lambda _clouds: inventory.Inventory(entries))
    monkeypatch.setattr(fanout, "run_all", run_all)
    site = _site()
    assert site.compute_exec == []
    found = collect.collect(site, {Memory, Everywhere[Memory], Reached}, time.monotonic() + 1.0)
    never.set()
    assert found.at("well", Memory) == Memory(4096, 2048)
    assert found.at("refuses", Memory) == Missing("key refused")
    assert isinstance(found.at("hangs", Memory), Missing)
    assert isinstance(found.at("bare", Memory), Missing)
    reached = found.get(Reached)
    assert isinstance(reached, Reached)
    assert {name: lost and lost[0] for name, lost in reached.hosts.items()} == {
        "well": None,
        "bare": None,
        "refuses": "login",
    }
    assert set(reached.missing) == {"hangs"}, "it may be slow only: nothing may be said of it"
    assert "hv1" not in {*reached.hosts, *reached.missing}, "no check is about a Windows host: it is not asked"
    everywhere = found.get(Everywhere[Memory])
    assert isinstance(everywhere, Everywhere)
    assert (set(everywhere.at), set(everywhere.missing)) == ({"well"}, {"bare", "hangs", "refuses"})


def _run(probes: dict[str, probe.Probe], limit_s: float = 5.0, within: tuple[str, ...] = ()) -> probe.HostAnswer:
    command = probe.argv(probes, within=within, limit_s=limit_s)
    return probe.parse(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_the_script_runs_commands_and_reads_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x" * 100)
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    answer = _run(
        {
            "ok": Command(("echo", "it's $HOME")),
            "fails": Command(("sh", "-c", "echo why >&2; exit 3")),
            "absent": Command(("no-such-program-here",)),
            "slow": Command(("sleep", "30"), timeout_s=0.2),
            "inside": Command(("id",), within=True),
            "files": Files((f"{tmp_path}/*", "/no/such/file"), limit=10),
        },
        within=("echo", "box"),
    )
    r = answer.readings
    assert r["ok"] == Reading(0, "it's $HOME\n")
    assert (r["fails"].status, r["fails"].error) == (3, "why\n")
    assert r["absent"].absent
    assert r["slow"].late
    assert r["inside"].text == "box id\n"
    assert r["files"].files[str(tmp_path / "a")] == "x" * 10
    assert len(r["files"].files) == 2
    assert answer.began <= answer.ended


def test_the_script_ends_in_time_whatever_hangs() -> None:
    began = time.monotonic()
    answer = _run({"hangs": Command(("sleep", "60"), timeout_s=60), "ok": Command(("echo", "1"))}, limit_s=0.4)
    assert time.monotonic() - began < 20
    assert answer.readings["hangs"].late
    assert answer.readings["ok"].text == "1\n"


def test_the_facts_of_this_machine_can_be_read() -> None:
    kinds = {
        k: f
        for k, f in facts.host_facts().items()
        if k.__name__ in {"Memory", "Load", "Filesystems", "System", "Processes"}
    }
    probes = {f"{k.__name__}.{n}": p for k, f in kinds.items() for n, p in f.probes.items()}
    done = subprocess.run(probe.argv(probes), capture_output=True, text=True, check=True)
    found = collect.read_host(done.stdout, kinds, started=0, took_s=1)
    assert {k.__name__: f for k, f in found.items() if isinstance(f, Missing)} == {}


def test_probes_write_nothing() -> None:
    """No probe has a word that changes something: what is sent to hosts only reads."""
    words = {
        "rm",
        "mv",
        "cp",
        "dd",
        "tee",
        "kill",
        "systemctl restart",
        "destroy",
        "undefine",
        "delete",
        "set",
        "add",
        "mount",
    }
    for fact in facts.host_facts().values():
        for one in fact.probes.values():
            if isinstance(one, Command):
                spoken = " ".join(one.argv).replace("set --", "")
                assert not words & set(spoken.replace(";", " ").split()), one.argv

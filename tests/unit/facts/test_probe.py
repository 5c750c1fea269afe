"""The script that asks a host, run on this one: few commands at once, and none waits for those that hang."""

from __future__ import annotations

import subprocess
from pathlib import Path

from blue_wizard.facts import probe
from blue_wizard.facts.probe import Command


def _asked(probes: dict[str, probe.Probe], limit_s: float) -> probe.HostAnswer:
    argv = probe.argv(probes, limit_s=limit_s)
    return probe.parse(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout)


def test_few_commands_run_at_once(tmp_path: Path) -> None:
    count = f"touch {tmp_path}/$1; ls {tmp_path} | wc -l; sleep 0.2; rm {tmp_path}/$1"
    found = _asked({f"c{n}": Command(("sh", "-c", count, "sh", f"c{n}")) for n in range(24)}, 30.0)
    at_once = [int(r.text) for r in found.readings.values()]
    assert len(at_once) == 24
    assert 1 < max(at_once) <= 8


def test_what_hangs_keeps_nobody_waiting() -> None:
    hang: dict[str, probe.Probe] = {f"hangs{n}": Command(("sleep", "60"), timeout_s=2.0) for n in range(16)}
    found = _asked({**hang, "last": Command(("echo", "here"), timeout_s=2.0)}, 20.0)
    assert found.readings["last"].text == "here\n"
    assert all(found.readings[name].late for name in hang)
    assert found.ended - found.began < 15.0


def test_a_slow_command_is_told_whole() -> None:
    found = _asked({"slow": Command(("sh", "-c", "echo first; sleep 1.5; echo then; exit 3"))}, 20.0)
    assert (found.readings["slow"].text, found.readings["slow"].status) == ("first\nthen\n", 3)


def test_what_is_not_there_is_absent_and_the_limit_holds() -> None:
    found = _asked({"none": Command(("no-such-command",)), "slow": Command(("sleep", "30"), timeout_s=30.0)}, 1.5)
    assert found.readings["none"].absent
    assert found.readings["slow"].late

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from blue_wizard.diagnose import agent
from blue_wizard.diagnose.capture import Capture, Point, Problem
from blue_wizard.diagnose.inject import packet_out
from blue_wizard.diagnose.janitor import clean
from blue_wizard.errors import StepFailed
from blue_wizard.facts import dhcp
from blue_wizard.reach import dialogue, ssh
from blue_wizard.reach.dialogue import Dialogue, close_all, open_all
from blue_wizard.reach.faults import Fault, NotReached
from tests.reach.conftest import Site

ECHO = ("sh", "-c", 'while read -r line; do echo "heard $line"; done; echo "no more" >&2; exit 3')


class Talk:
    """A dialogue, and what it has brought so far."""

    def __init__(self, host: str, argv: tuple[str, ...] = ECHO, *, root: bool = False) -> None:
        self.lines: list[str] = []
        self.ends: list[tuple[int, str, bool]] = []
        self._came = threading.Condition()
        self.dialogue = Dialogue(ssh.host(host), argv, timeout_s=60, root=root, on_line=self._line, on_end=self._end)

    def _line(self, line: str) -> None:
        with self._came:
            self.lines.append(line)
            self._came.notify_all()

    def _end(self, *end: object) -> None:
        with self._came:
            self.ends.append(end)  # type: ignore[arg-type]
            self._came.notify_all()

    def until(self, lines: int = 0, ends: int = 0) -> None:
        with self._came:
            assert self._came.wait_for(lambda: len(self.lines) >= lines and len(self.ends) >= ends, 30)


def test_lines_go_both_ways_and_the_program_hears_the_end(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    talk = Talk("one")
    assert open_all([(talk.dialogue, "first\n")]) == [None]
    talk.until(lines=1)
    talk.dialogue.send("网络 second")
    talk.until(lines=2)
    close_all([talk.dialogue])
    talk.until(ends=1)
    assert talk.lines == ["heard first", "heard 网络 second"]
    assert talk.ends == [(3, "no more", False)]
    talk.dialogue.send("nobody hears this")
    close_all([talk.dialogue])


def test_one_host_that_can_not_be_reached_does_not_keep_the_others(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    talks = [Talk("one"), Talk("bwt-none.invalid")]
    good, bad = open_all([(t.dialogue, "hello\n") for t in talks])
    talks[0].until(lines=1)
    close_all([t.dialogue for t in talks])
    assert good is None
    assert isinstance(bad, NotReached)


def test_a_kept_connection_to_a_host_that_hangs_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue, "_START_S", 1)
    site.write(hosts={"one": site.at(site.servers.main)})
    sleeper = Talk("one", ("sh", "-c", "echo $$; read -r line"))
    open_all([(sleeper.dialogue, "")])
    sleeper.until(lines=1)
    above = _parents(int(sleeper.lines[0]))
    session = next(p for p in above if Path(f"/proc/{p}/comm").read_text().startswith("sshd"))
    os.kill(session, signal.SIGSTOP)
    try:
        (error,) = open_all([(Talk("one").dialogue, "hello\n")])
    finally:
        os.kill(session, signal.SIGCONT)
    assert isinstance(error, NotReached)
    assert error.fault is Fault.LOST


def _parents(pid: int) -> list[int]:
    """The process and those above it, nearest first."""
    found = []
    while pid > 1:
        found.append(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return found


def test_a_capture_without_the_right_to_is_no_capture(site: Site) -> None:
    site.write(hosts={"weak": site.at(site.servers.weak), "sudo": site.at(site.servers.weak, sudo=True)})
    points = [Point("tap", "weak", "lo"), Point("dhcp-port", "sudo", "lo")]
    with Capture(points, "fa:16:3e:f2:38:8d") as capture:
        assert set(capture.ready().values()) == {Problem.PRIVILEGE}
        weak, sudo = capture.collect(settle_s=0)
    assert not weak.live
    assert not sudo.live
    assert "root" in weak.error
    assert "password" in sudo.error


def test_a_login_script_that_prints_does_no_harm(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    noisy = ("sh", "-c", "echo Welcome; echo 5; echo '[{}]'; " + agent.ARGV[2], *agent.ARGV[3:])
    monkeypatch.setattr(agent, "ARGV", noisy)
    (cleaned,) = clean(["one"])
    assert (cleaned.running, cleaned.error) == ((), "")


def test_a_host_without_python_says_so(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    for name in ("python3",):
        program = site.servers.bin / name
        program.write_text("#!/bin/sh\nexit 127\n")
        program.chmod(0o755)
    try:
        with Capture([Point("tap", "one", "lo")], "fa:16:3e:f2:38:8d") as capture:
            assert set(capture.ready().values()) == {Problem.PYTHON}
    finally:
        (site.servers.bin / "python3").unlink()


def test_the_switch_is_told_the_ports_own_number(site: Site, tmp_path: Path) -> None:
    """Open vSwitch's commands stand in as scripts: what they are called with is what is tested."""
    site.write(hosts={"one": site.at(site.servers.main)})
    for name, body in (("ovs-vsctl", "echo 7"), ("ovs-ofctl", f'printf "%s\\n" "$@" > {tmp_path}/argv')):
        program = site.servers.bin / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    frame = dhcp.discover("fa:16:3e:f2:38:8d", 5)
    done = packet_out("one", "qvo1", frame)
    assert (done.host, done.method, done.device) == ("one", "packet-out", "qvo1")
    argv = (tmp_path / "argv").read_text().splitlines()
    assert argv[-3:] == ["packet-out", "br-int", f"in_port=7 packet={frame.hex()} actions=resubmit(,0)"]
    for said in ("echo -1", "echo '[]'", "echo 'no row' >&2; exit 1"):
        (site.servers.bin / "ovs-vsctl").write_text(f"#!/bin/sh\n{said}\n")
        (tmp_path / "argv").unlink(missing_ok=True)
        with pytest.raises(StepFailed, match="qvo1"):
            packet_out("one", "qvo1", frame)
        assert not (tmp_path / "argv").exists()
    for name in ("ovs-vsctl", "ovs-ofctl"):
        (site.servers.bin / name).unlink()

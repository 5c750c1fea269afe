"""One host, by a real sshd: what goes right, and each way to go wrong with its own words. Nothing is touched then."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from bench.sshd import keygen
from blue_wizard.reach import ssh
from blue_wizard.reach.argv import in_container
from blue_wizard.reach.faults import CommandFailed, Fault, NotReached
from blue_wizard.reach.together import together

from .conftest import Site


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(word: str) -> bool:
    """Whether any process has the word in its command line."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in file.read_bytes():
                return True
        except OSError:
            continue
    return False


def _gone(word: str) -> bool:
    end = time.monotonic() + 5
    while _runs(word) and time.monotonic() < end:
        time.sleep(0.05)
    return not _runs(word)


def test_a_command_arrives_as_it_was_meant(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    words = ["a b", "$HOME", "'; touch /tmp/x", '"', "*", "\\", "中文", ""]
    result = ssh.host("one").run(["printf", "%s|", *words])
    assert (result.status, result.stdout) == (0, "".join(f"{w}|" for w in words))


def test_status_stderr_stdin_and_locale(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    result = ssh.host("one").run(["sh", "-c", "cat; echo $LC_ALL; echo bad >&2; exit 7"], stdin="in\n")
    assert (result.status, result.stdout, result.stderr) == (7, "in\nC\n", "bad\n")
    with pytest.raises(CommandFailed, match="bad") as e:
        ssh.host("one").check(["sh", "-c", "echo bad >&2; exit 7"])
    assert (e.value.fault, e.value.exit_code) == (Fault.STATUS, 5)


def test_one_connection_serves_all_commands(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    before = set(_children(site.servers.main.pid))
    ports = {ssh.host("one").run(["sh", "-c", "echo $SSH_CONNECTION"]).stdout for _i in range(3)}
    assert len(ports) == 1
    assert len(set(_children(site.servers.main.pid)) - before) == 1


def test_threads_that_come_first_share_one_loop_and_one_connection(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    argv = ["sh", "-c", "echo $SSH_CONNECTION"]
    assert len(set(together([lambda: ssh.host("one").run(argv).stdout] * 8))) == 1


def test_an_unknown_host_key(site: Site, tmp_path: Path) -> None:
    site.known_hosts.write_text("")
    site.write(hosts={"stranger": site.at(site.servers.main)})
    with pytest.raises(NotReached, match="The host key of stranger is not known") as e:
        ssh.host("stranger").run(["touch", str(tmp_path / "touched")])
    assert (e.value.fault, e.value.exit_code) == (Fault.HOST_KEY, 2)
    assert not (tmp_path / "touched").exists()


def test_an_ssh_configuration_that_asks_for_no_check_is_not_obeyed(site: Site, tmp_path: Path) -> None:
    site.ssh_config.write_text("Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile none\n")
    site.write(hosts={"stranger": site.at(site.servers.main)}, ssh_extra={"known_hosts": None})
    with pytest.raises(NotReached) as e:
        ssh.host("stranger").run(["touch", str(tmp_path / "touched")])
    assert e.value.fault is Fault.HOST_KEY
    assert not (tmp_path / "touched").exists()


def test_a_changed_host_key(site: Site, tmp_path: Path) -> None:
    port = site.servers.main.port
    site.known_hosts.write_text(f"[127.0.0.1]:{port} {keygen(tmp_path / 'other_key')}\n")
    site.write(hosts={"one": site.at(site.servers.main)})
    with pytest.raises(NotReached, match="has CHANGED") as e:
        ssh.host("one").run(["touch", str(tmp_path / "touched")])
    assert e.value.fault is Fault.HOST_KEY
    assert f"ssh-keygen -R [127.0.0.1]:{port}" in e.value.hint
    assert not (tmp_path / "touched").exists()


def test_a_login_that_is_refused(site: Site, tmp_path: Path) -> None:
    keygen(tmp_path / "wrong")
    site.write(identity=tmp_path / "wrong", hosts={"one": site.at(site.servers.main)})
    with pytest.raises(NotReached, match="one refuses the login as") as e:
        ssh.host("one").run(["true"])
    assert (e.value.fault, e.value.exit_code) == (Fault.LOGIN, 2)


def test_a_host_that_is_not_there(site: Site) -> None:
    site.write(hosts={"gone": {"address": "127.0.0.1", "port": 1}})
    with pytest.raises(NotReached, match="gone can't be reached") as e:
        ssh.host("gone").run(["true"])
    assert e.value.fault is Fault.UNREACHABLE


def test_a_port_that_does_not_speak(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        site.write(
            hosts={"mute": {"address": "127.0.0.1", "port": mute.getsockname()[1]}}, ssh_extra={"connect_timeout_s": 1}
        )
        with pytest.raises(NotReached, match="no answer in 1 s") as e:
            ssh.host("mute").run(["true"])
    assert e.value.fault is Fault.UNREACHABLE


def test_sudo_that_works(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main, sudo=True)})
    show = ["sh", "-c", "echo ${SUDO_USER-none}"]
    assert ssh.host("one").run(show).stdout == "none\n"
    assert ssh.host("one").run(show, root=True).stdout == "root\n"
    # A command that fails by itself is no refusal, whatever its status.
    assert ssh.host("one").run(["false"], root=True).status == 1


def test_sudo_that_refuses_says_so_and_does_nothing(site: Site, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    site.write(hosts={"weak": site.at(site.servers.weak, sudo=True)})
    assert ssh.host("weak").run(["id", "-u"]).stdout == "65534\n"
    with pytest.raises(NotReached, match=r"sudo on weak refuses user root: .*password") as e:
        ssh.host("weak").run(["touch", str(tmp_path / "touched")], root=True)
    assert (e.value.fault, e.value.exit_code) == (Fault.SUDO, 2)
    assert not (tmp_path / "touched").exists()


def test_the_host_ends_a_command_that_takes_too_long(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    with pytest.raises(CommandFailed, match="sleep on one did not end in 1 s") as e:
        ssh.host("one").run(["sleep", "31.41592"], timeout_s=1)
    assert e.value.fault is Fault.TIMEOUT
    assert _gone("31.41592")


def test_lines_come_while_the_command_runs(site: Site, tmp_path: Path) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    heard: list[str] = []

    def on_line(line: str) -> None:
        heard.append(line)
        (tmp_path / "heard").touch()

    # It ends only after its first line was heard.
    script = f"echo one; until [ -e {tmp_path}/heard ]; do sleep 0.05; done; echo two; printf three"
    result = ssh.host("one").run(["sh", "-c", script], timeout_s=10, on_line=on_line)
    assert (result.status, result.stdout, heard) == (0, "", ["one", "two", "three"])


def test_an_error_in_the_callback_reaches_the_caller(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})

    def on_line(line: str) -> None:
        raise ZeroDivisionError(line)

    with pytest.raises(ZeroDivisionError, match="one"):
        ssh.host("one").run(["echo", "one"], on_line=on_line)


def test_a_command_that_writes_too_much_is_ended(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    with pytest.raises(CommandFailed, match="wrote more than 1 MiB") as e:
        ssh.host("one").run(["yes", "2.71828"], max_output=1 << 20)
    assert e.value.fault is Fault.OUTPUT
    assert _gone("2.71828")


def test_a_connection_that_breaks_is_told_and_opened_again(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    host = ssh.host("one")
    before = set(_children(site.servers.main.pid))
    assert host.run(["true"]).status == 0
    (serving,) = set(_children(site.servers.main.pid)) - before
    threading.Timer(0.3, os.kill, (serving, signal.SIGKILL)).start()
    with pytest.raises(CommandFailed) as e:
        host.run(["sleep", "20"])
    assert e.value.fault is Fault.LOST
    assert host.run(["echo", "again"]).stdout == "again\n"


def test_into_a_container_by_a_docker_that_records(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    within = in_container("docker", "nova_libvirt")
    result = ssh.host("one").run(["echo", "a b"], within=within, timeout_s=9)
    assert result.stdout == "a b\n"
    told = (site.servers.bin / "argv").read_text().splitlines()
    assert told == ["exec", "nova_libvirt", "timeout", "-k", "5", "9", "env", "LC_ALL=C", "echo", "a b"]


@pytest.mark.parametrize("way", ["configuration", "ssh_config"])
def test_through_a_jump_host(site: Site, way: str) -> None:
    main, jump = site.servers.main, site.servers.jump
    hosts = {f"inner{i}": site.at(main, **({"jump": "bastion"} if way == "configuration" else {})) for i in range(3)}
    if way == "ssh_config":
        site.ssh_config.write_text(
            f"Host inner*\n  HostName 127.0.0.1\n  Port {main.port}\n  User root\n  ProxyJump bastion\n"
            f"Host bastion\n  HostName 127.0.0.1\n  Port {jump.port}\n  User root\n"
        )
        site.write()
    else:
        site.write(hosts={**hosts, "bastion": site.at(jump)})
    before = set(_children(jump.pid))
    for name in hosts:
        assert ssh.host(name).run(["echo", name]).stdout == f"{name}\n"
    # One connection to the jump host carries all three.
    assert len(set(_children(jump.pid)) - before) == 1


def test_a_host_may_be_said_to_need_no_jump(site: Site) -> None:
    site.ssh_config.write_text("Host 127.0.0.1\n  ProxyJump nowhere.invalid\n")
    site.write(hosts={"straight": site.at(site.servers.main, jump="none"), "not": site.at(site.servers.main)})
    assert ssh.host("straight").run(["true"]).status == 0
    with pytest.raises(NotReached, match=r"nowhere\.invalid"):
        ssh.host("not").run(["true"])


def test_the_jump_hosts_key_is_checked_too(site: Site) -> None:
    site.known_hosts.write_text(site.servers.known(site.servers.main))
    site.write(
        hosts={"inner": site.at(site.servers.main, jump="bastion"), "bastion": site.at(site.servers.jump)},
    )
    with pytest.raises(NotReached, match="The host key of bastion is not known"):
        ssh.host("inner").run(["true"])


def test_jump_hosts_in_a_circle(site: Site) -> None:
    main = site.servers.main
    site.write(hosts={"a": site.at(main, jump="b"), "b": site.at(main, jump="a")})
    with pytest.raises(NotReached, match="a -> b -> a"):
        ssh.host("a").run(["true"])


def test_a_command_that_runs_as_long_as_we_want(site: Site) -> None:
    site.write(hosts={"one": site.at(site.servers.main)})
    with ssh.host("one").process(["sh", "-c", "cat >/dev/null; : 1.61803"]):
        end = time.monotonic() + 5
        while not _runs("1.61803") and time.monotonic() < end:
            time.sleep(0.05)
        assert _runs("1.61803")
    assert _gone("1.61803")

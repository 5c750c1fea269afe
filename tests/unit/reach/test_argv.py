"""How commands are dressed: pure."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard.reach.argv import cephadm_shell, in_container, prepare, sudo_refusal


def test_a_plain_command() -> None:
    assert prepare(["ls", "-l"], timeout_s=2.5) == ["timeout", "-k", "5", "3", "env", "LC_ALL=C", "ls", "-l"]


def test_sudo_stands_before_the_time_out_so_that_it_may_signal() -> None:
    made = prepare(["ls"], timeout_s=9, sudo=True)
    assert made == ["env", "LC_ALL=C", "sudo", "-n", "--", "timeout", "-k", "5", "9", "env", "LC_ALL=C", "ls"]


@pytest.mark.parametrize("runtime", ["docker", "podman"])
def test_inside_a_container_the_command_has_a_time_out_of_its_own(runtime: str) -> None:
    made = prepare(["ovs-vsctl", "show"], timeout_s=9, within=in_container(runtime, "openvswitch_db"))
    inner = ["timeout", "-k", "5", "9", "env", "LC_ALL=C", "ovs-vsctl", "show"]
    assert made == ["timeout", "-k", "5", "14", runtime, "exec", "openvswitch_db", *inner]


def test_cephadm_shell() -> None:
    assert cephadm_shell()(["ceph", "-s"]) == ["cephadm", "shell", "--", "ceph", "-s"]
    assert cephadm_shell("abc")(["ceph", "-s"]) == ["cephadm", "shell", "--fsid", "abc", "--", "ceph", "-s"]


def test_what_is_no_command_or_no_runtime() -> None:
    with pytest.raises(ValueError, match="empty"):
        prepare([], timeout_s=1)
    with pytest.raises(ValueError, match="lxc"):
        in_container("lxc", "x")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), min_size=1))
def test_the_command_is_never_changed(words: list[str]) -> None:
    made = prepare(words, timeout_s=1, sudo=True, within=in_container("podman", "x"))
    assert made[-len(words) :] == words
    assert shlex.split(shlex.join(made)) == made


@pytest.mark.parametrize(
    ("status", "stderr", "said"),
    [
        (1, "sudo: a password is required\n", "sudo: a password is required"),
        (
            1,
            "\nWe trust you have received the usual lecture.\n\nsudo: a terminal is required\n",
            "sudo: a terminal is required",
        ),
        (1, "Sorry, user op may not run sudo on cmp1.\n", "Sorry, user op may not run sudo on cmp1."),
        (
            1,
            "Sorry, user op is not allowed to execute '/usr/bin/timeout' as root on cmp1.\n",
            "Sorry, user op is not allowed to execute '/usr/bin/timeout' as root on cmp1.",
        ),
        (1, "op is not in the sudoers file.\n", "op is not in the sudoers file."),
        (127, "bash: line 1: sudo: command not found\n", "bash: line 1: sudo: command not found"),
        (127, "sh: 1: sudo: not found\n", "sh: 1: sudo: not found"),
        (127, "env: 'sudo': No such file or directory\n", "env: 'sudo': No such file or directory"),
        (0, "sudo: unable to resolve host cmp1\n", None),
        (1, "sudo: unable to resolve host cmp1\n", None),
        (1, "grep: x: No such file or directory\n", None),
        (1, "sudo: unable to resolve host cmp1\ngrep: x: No such file or directory\n", None),
        (1, "", None),
        (127, "env: 'virsh': No such file or directory\n", None),
    ],
)
def test_the_words_of_sudo(status: int, stderr: str, said: str | None) -> None:
    assert sudo_refusal(status, stderr) == said


def test_a_host_without_sudo_says_so_in_the_words_that_are_known() -> None:
    argv = ["env", "-i", "LC_ALL=C", "PATH=/nowhere", "/usr/bin/env", *prepare(["true"], timeout_s=1, sudo=True)[1:]]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert sudo_refusal(done.returncode, done.stderr) is not None

"""Disks asked for their own health over SSH, side by side. A disk that hangs costs its time-out, and nothing else. No decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from blue_wizard.facts import smart
from blue_wizard.facts.blockdev import Disk
from blue_wizard.reach import ssh
from blue_wizard.reach.fanout import run_many

__all__ = ["read"]

_TIMEOUT_S = 15


def read(disks: Iterable[tuple[str, Disk]]) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """What is wrong with each disk of a host, by host and key; one that gave no answer is not in it."""
    wanted = list(dict.fromkeys((host, d.key, d.path) for host, d in disks))
    tasks = [(ssh.host(host), smart.command(path)) for host, _key, path in wanted]
    answers = run_many(tasks, timeout_s=_TIMEOUT_S, root=True)
    # The exit status is a set of bits, most of which say what the JSON says, too.
    return {
        (host, key): smart.signs(a.result.stdout)
        for (host, key, _path), a in zip(wanted, answers, strict=True)
        if a.result is not None and a.result.stdout.lstrip().startswith("{")
    }

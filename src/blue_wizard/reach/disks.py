"""The disks of hosts, asked for over SSH: all commands of all hosts side by side. No decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from blue_wizard.facts import blockdev
from blue_wizard.facts.blockdev import HostDisks
from blue_wizard.reach import ssh
from blue_wizard.reach.fanout import Answer, run_many
from blue_wizard.reach.faults import Fault

__all__ = ["read"]

# A hung disk can hang lsblk where no udev answers for it.
_TIMEOUT_S = 25


def read(hosts: Mapping[str, Collection[str]]) -> dict[str, HostDisks]:
    """What each host says of its disks; a command that fails is named in `HostDisks.failed`, and never stops the others.

    `hosts` gives for each name the folders of OSDs that are not below ``/var/lib/ceph/osd``.
    """
    names = list(hosts)
    keys = list(blockdev.COMMANDS)
    tasks = [(ssh.host(n), _command(k, hosts[n])) for n in names for k in keys]
    answers = run_many(tasks, timeout_s=_TIMEOUT_S, root=True)
    rows = {n: dict(zip(keys, answers[i * len(keys) :], strict=False)) for i, n in enumerate(names)}
    return {n: _host(n, row) for n, row in rows.items()}


def _command(key: str, folders: Collection[str]) -> tuple[str, ...]:
    words = blockdev.COMMANDS[key]
    return (*words[:2], *sorted(folders), *words[2:]) if key == "folders" else words


def _host(name: str, row: Mapping[str, Answer]) -> HostDisks:
    failed: dict[str, str] = {}

    def out(key: str) -> str:
        answer = row[key]
        # lvs and find complain of what is gone, and tell the rest all the same.
        told = answer.result is not None and bool(answer.result.stdout.strip())
        if not answer.ok and not (answer.fault is Fault.STATUS and told):
            failed[key] = answer.message
        return answer.result.stdout if answer.result else ""

    def parsed(key: str) -> bool:
        return bool(out(key).strip()) and key not in failed

    links = blockdev.parse_links(out("links"))
    disks = blockdev.parse_disks(out("disks"), links) if parsed("disks") else ()
    lvs = blockdev.parse_lvs(out("lvs")) if parsed("lvs") else ()
    return HostDisks(
        host=name,
        disks=disks,
        mounts=blockdev.parse_mounts(out("mounts")),
        fstab=out("fstab"),
        lvs=lvs,
        errors=blockdev.kernel_errors(out("kernel")),
        folders=blockdev.links_below(out("folders")),
        journals=blockdev.journal_owners(out("journals")),
        failed=failed,
    )

"""Hosts that Ceph's orchestrator manages, by ``ceph orch host ls``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

from blue_wizard import config
from blue_wizard.errors import InputError
from blue_wizard.reach import ssh
from blue_wizard.reach.argv import cephadm_shell
from blue_wizard.reach.inventories.entry import Entry
from blue_wizard.text import _

__all__ = ["parse", "read"]

_COMMAND = ("ceph", "orch", "host", "ls", "--format", "json")
_TIMEOUT_S = 60


def read(where: bool | str, clouds: Sequence[str]) -> list[Entry]:
    """The hosts, asked here (True, with the Ceph access of the first of `clouds` that has one) or in ``cephadm shell`` on a host.

    Raises InputError or StepFailed when the orchestrator does not tell.
    """
    if isinstance(where, str):
        return parse(ssh.host(where).check(_COMMAND, timeout_s=_TIMEOUT_S, root=True, within=cephadm_shell()))
    known = [c.ceph for name in clouds if (c := config.load().clouds.get(name)) and c.ceph]
    access = ["--conf", str(known[0].conf), "--id", known[0].client] if known else []
    argv = [_COMMAND[0], *access, *_COMMAND[1:]]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as e:
        raise InputError(
            _("{name} is not installed.").format(name="ceph"),
            _("Install the Debian package {name}.").format(name="ceph-common"),
        ) from e
    except subprocess.TimeoutExpired as e:
        raise InputError(_("ceph orch did not answer in {seconds} s.").format(seconds=_TIMEOUT_S)) from e
    if done.returncode != 0:
        raise InputError(
            _("ceph orch does not tell its hosts: {error}").format(error=done.stderr.strip()[-500:]),
            _("Name a host where cephadm runs instead: inventory: {ceph_orch: HOST}."),
        )
    return parse(done.stdout)


def parse(text: str) -> list[Entry]:
    """The hosts in the JSON of ``ceph orch host ls``; their labels are the groups. Raises InputError for anything else."""
    try:
        # `cephadm shell` talks before the command does, on stderr; some versions on stdout.
        found = json.loads(text[text.index("[") :])
        return [
            Entry(h["hostname"], ("ceph orch",), address=h.get("addr") or None, groups=tuple(h.get("labels", ())))
            for h in found
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise InputError(_("ceph orch gave no list of hosts: {error}").format(error=e)) from e

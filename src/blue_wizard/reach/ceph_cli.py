"""The `ceph` command with the right to change a cluster: here, on a monitor's host, or in a container there. No decisions."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Sequence
from typing import Any

from blue_wizard import config
from blue_wizard.config import CephAdmin
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.reach import ssh
from blue_wizard.text import _

__all__ = ["Ceph", "admin_of"]

# Of the ceph command's own: how long it looks for a monitor.
_CONNECT_S = 20
_TIMEOUT_S = 60
_DENIED = (
    "EACCES",
    "access denied",
    "Permission denied",
    "handle_auth_bad_method",
    "unable to find a keyring",
    "RADOS permission",
)


def admin_of(cloud: str) -> CephAdmin:
    """The configured way to a cloud's cluster. Raises InputError when neither `ceph_admin` nor `ceph` says it."""
    known = config.load().clouds.get(cloud)
    if known is not None and known.ceph_admin is not None:
        return known.ceph_admin
    if known is not None and known.ceph is not None:
        return CephAdmin(conf=known.ceph.conf)
    raise InputError(
        _("The configuration does not say how the Ceph cluster of cloud {name} is administered.").format(name=cloud),
        _("Add clouds: {{{name}: {{ceph_admin: {{host: MONITOR, client: admin}}}}}} to it.").format(name=cloud),
    )


class Ceph:
    """The cluster of a cloud, by its command. Every call has a time-out: a cluster that hangs must not hang us."""

    def __init__(self, cloud: str) -> None:
        self._access = admin_of(cloud)
        self.where = self._access.host or "localhost"

    def argv(self, *words: str) -> list[str]:
        """The whole command, as it is run at `where`."""
        a = self._access
        conf = ["-c", str(a.conf)] if a.conf else []
        return [*a.exec, "ceph", *conf, "--id", a.client, "--connect-timeout", str(_CONNECT_S), *words]

    def run(self, *words: str, stdin: str | None = None, timeout_s: float = _TIMEOUT_S) -> tuple[int, str, str]:
        """Exit status, stdout, stderr. Raises InputError when the key is missing or refused, StepFailed on a time-out."""
        argv = self.argv(*words)
        if self._access.host is not None:
            done = ssh.host(self._access.host).run(argv, timeout_s=timeout_s, stdin=stdin, root=True)
            found = (done.status, done.stdout, done.stderr)
        else:
            found = self._local(argv, stdin, timeout_s)
        status, _out, error = found
        if status != 0 and any(word in error for word in _DENIED):
            raise InputError(
                _("Ceph refuses client.{client}: {error}").format(client=self._access.client, error=_last(error)),
                _("Look for its keyring and rights: {command}").format(command=shlex.join(self.argv("auth", "ls"))),
            )
        return found

    def _local(self, argv: Sequence[str], stdin: str | None, timeout_s: float) -> tuple[int, str, str]:
        try:
            done = subprocess.run(
                argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False, errors="replace"
            )
        except FileNotFoundError as e:
            raise InputError(
                _("{name} is not installed.").format(name=argv[0]),
                _("Install the Debian package {name}.").format(name="ceph-common"),
            ) from e
        except subprocess.TimeoutExpired as e:
            raise StepFailed(
                _("Ceph did not answer in {seconds} s: {command}").format(
                    seconds=round(timeout_s), command=shlex.join(argv)
                )
            ) from e
        return done.returncode, done.stdout, done.stderr

    def check(self, *words: str, stdin: str | None = None, timeout_s: float = _TIMEOUT_S) -> str:
        """The command's stdout. Raises StepFailed with its stderr when it fails, and what `run` raises."""
        status, out, error = self.run(*words, stdin=stdin, timeout_s=timeout_s)
        if status != 0:
            command = shlex.join(self.argv(*words))
            raise StepFailed(_("{command} failed: {error}").format(command=command, error=_last(error) or status))
        return out

    def json(self, *words: str) -> Any:
        """The command's answer as data. Raises as `check`, and StepFailed when it is no JSON."""
        out = self.check(*words, "-f", "json")
        try:
            return json.loads(out)
        except ValueError as e:
            raise StepFailed(
                _("The answer of ceph {command} is no JSON: {error}").format(command=" ".join(words), error=e)
            ) from e


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][-400:] if lines else ""

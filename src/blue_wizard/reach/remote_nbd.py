"""Disks on other hosts as NBD exports here: qemu-nbd over there, its socket forwarded over SSH."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from blue_wizard.errors import StepFailed
from blue_wizard.reach import nbd
from blue_wizard.reach.ssh import Host
from blue_wizard.text import _

__all__ = ["serve_on"]

_START_TIMEOUT_S = 20.0
_END_TIMEOUT_S = 60.0
# `cat` ends when our side goes away, whatever happens to us, and takes qemu-nbd and its socket with it. Between opening its
# socket and entering its main loop qemu-nbd forgets a signal (it sets its state to running after it has begun to listen), so
# it is asked until it is gone.
_SCRIPT = (
    'qemu-nbd --persistent --shared=8 $4 --socket="$1" "$2" 2>"$3/error" & '
    'p=$!; cat >/dev/null; while kill $p 2>/dev/null; do sleep 0.1 || sleep 1; done; wait $p; rm -rf "$3"'
)


@contextmanager
def serve_on(
    host: Host,
    node: Mapping[str, Any],
    name: str,
    *,
    writable: bool = False,
    prefix: Sequence[str] = (),
    folder: str = "/tmp",  # noqa: S108
    bitmap: str = "",
) -> Iterator[str]:
    """The host's node as an NBD export for as long as the context lasts; its URI. `name` is how errors call it.

    With `bitmap` the export also shows that persistent dirty bitmap of a QCOW2 image (see `nbd.dirty`).

    `prefix` are the words before each command (``docker exec -i ...``); sockets are made in `folder`. When the context of
    a writable export has ended, its qemu-nbd has ended too and has written out everything. Raises StepFailed with
    qemu-nbd's own words when it can't open the node, or does not end.
    """
    made = host.check([*prefix, "mktemp", "-d", f"{folder}/blue-wizard.XXXXXXXX"]).strip()
    socket = f"{made}/socket"
    mode = "--cache=writeback --discard=unmap" if writable else "--read-only"
    # The shell takes it apart into words again.
    mode += f" --bitmap={bitmap}" if bitmap else ""
    argv = [*prefix, "sh", "-c", _SCRIPT, "blue-wizard", socket, "json:" + json.dumps(node), made, mode]
    with host.process(argv):
        _wait_for(host, prefix, socket, made, name)
        with host.forward(socket) as local:
            yield nbd.uri_of(local)
    if writable:
        _wait_until_gone(host, prefix, made, name)


def _wait_for(host: Host, prefix: Sequence[str], socket: str, folder: str, name: str) -> None:
    end = time.monotonic() + _START_TIMEOUT_S
    while host.run([*prefix, "test", "-S", socket]).status != 0:
        error = host.run([*prefix, "cat", f"{folder}/error"]).stdout.strip()
        if error or time.monotonic() > end:
            raise StepFailed(
                _("{path} on {host} can't be opened: {error}").format(
                    path=name, host=host.name, error=error or "qemu-nbd"
                ),
                _("The host needs the package qemu-utils and room in {folder}.").format(
                    folder=folder.rpartition("/")[0]
                ),
            )
        time.sleep(0.1)


def _wait_until_gone(host: Host, prefix: Sequence[str], folder: str, name: str) -> None:
    end = time.monotonic() + _END_TIMEOUT_S
    while host.run([*prefix, "test", "-e", folder]).status == 0:
        if time.monotonic() > end:
            raise StepFailed(
                _("qemu-nbd on {host} does not let go of {path}.").format(host=host.name, path=name),
                _("Look at the host's storage: its writes don't end."),
            )
        time.sleep(0.1)

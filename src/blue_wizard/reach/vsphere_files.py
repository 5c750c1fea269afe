"""Files of a datastore over HTTPS (``/folder/...``): reads of ranges on several connections, and the same as an NBD export."""

from __future__ import annotations

import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from blue_wizard.errors import BlueWizardError, InputError, StepFailed
from blue_wizard.reach.nbd import die_with_parent, finish, uri_of
from blue_wizard.reach.vsphere import Center
from blue_wizard.text import _

__all__ = ["FileRefused", "NoPlainFile", "RemoteFile", "serve", "url_of"]

_TRIES = 5
_CONNECTIONS = 8
_START_TIMEOUT_S = 30.0
_LOOK_EVERY_S = 5.0


def url_of(center: Center, datacenter: str, datastore: str, path: str) -> str:
    """Where a file of a datastore is read. `datacenter` is the path of its datacenter ("" on an ESXi host)."""
    place = {"dcPath": datacenter or "ha-datacenter", "dsName": datastore}
    host = f"[{center.where.host}]" if ":" in center.where.host else center.where.host
    return f"https://{host}:{center.where.port}/folder/{quote(path)}?{urlencode(place, quote_via=quote)}"


class NoPlainFile(StepFailed):
    """What is asked for can't be read in ranges here, now or ever; there may be another way."""


class FileRefused(StepFailed):
    """The server is there, and keeps refusing the file: mostly a host has it locked."""


@dataclass(frozen=True)
class _Answer:
    status: int
    reason: str
    range: str
    modified: str
    data: bytes


class RemoteFile:
    """A file of a datastore that is read at random, by several threads at once. Raises StepFailed when it can't be opened.

    A server that ignores ranges is refused: each read would fetch the whole file.
    """

    def __init__(self, center: Center, url: str, *, connections: int = _CONNECTIONS) -> None:
        import urllib3

        self._center = center
        self._path = "/" + url.split("/", 3)[3]
        self.name = url.partition("?")[0].rpartition("/folder/")[2]
        self._pool = urllib3.HTTPSConnectionPool(
            center.where.host,
            center.where.port,
            maxsize=connections,
            block=True,
            retries=False,
            timeout=urllib3.Timeout(connect=15, read=60),
            ssl_context=center.trust.context,
        )
        try:
            self.size = self._measure()
        except BaseException:
            self.close()
            raise

    def _measure(self) -> int:
        return self._ask(0, 1)[1]

    def stamp(self) -> str:
        """What changes when the file is written to or replaced: its size and, where the server tells, its time."""
        answer, total = self._ask(0, 1)
        return f"{total} {answer.modified}"

    def text(self, limit: int) -> str:
        """The beginning of the file, at most `limit` bytes, as text."""
        return self.read(0, min(limit, self.size)).decode(errors="replace")

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises StepFailed when the server keeps refusing, or keeps breaking off."""
        return self._ask(offset, length)[0].data if length else b""

    def _ask(self, offset: int, length: int) -> tuple[_Answer, int]:
        """A good answer, and the size of the whole file."""
        problem = ""
        kind = StepFailed
        expired = 0
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(0.25 * 2**attempt)
            generation = self._center.generation
            try:
                answer = self._get(offset, length)
            except _transport_errors() as e:
                problem, kind = str(e) or type(e).__name__, StepFailed
                continue
            if answer.status in {401, 403}:
                problem = (
                    _("the session has expired")
                    if answer.status == 401
                    else _("the user may not read files of this datastore (HTTP 403)")
                )
                expired += 1
                if expired > 2:
                    break
                self._center.renew(generation)
                continue
            if answer.status == 404:
                raise NoPlainFile(
                    _("{file} is not on the datastore any more.").format(file=self.name),
                    _("Plan again: blue-wizard migrate plan"),
                )
            if answer.status == 200:
                raise NoPlainFile(
                    _("{host} ignores ranges: {file} could only be read whole, again and again.").format(
                        host=self._center.where.host, file=self.name
                    ),
                    _(
                        "Read it through vCenter instead of the host (or the other way round), or export the machine as an OVA."
                    ),
                )
            if answer.status != 206:
                problem = f"HTTP {answer.status} {answer.reason}".strip()
                kind = FileRefused
                continue
            place = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.range)
            if place is None or int(place[1]) != offset or len(answer.data) != length:
                problem = _("the answer was cut off ({got} of {wanted} bytes)").format(
                    got=len(answer.data), wanted=length
                )
                continue
            return answer, int(place[3])
        raise kind(
            _("{file} can't be read from {host}: {problem}").format(
                file=self.name, host=self._center.where.host, problem=problem
            ),
            _(
                "A machine that runs locks its disks. Otherwise look at the server's log, then: blue-wizard job resume ID"
            ),
        )

    def _get(self, offset: int, length: int) -> _Answer:
        headers = {"Range": f"bytes={offset}-{offset + length - 1}", "Cookie": self._center.cookie()}
        answer = self._pool.request("GET", self._path, headers=headers, redirect=False, preload_content=False)
        try:
            # A server that ignores the range would send the whole disk after any other status.
            data = answer.read() if answer.status == 206 else b""
            return _Answer(
                answer.status,
                answer.reason or "",
                answer.headers.get("Content-Range", ""),
                answer.headers.get("Last-Modified", ""),
                data,
            )
        finally:
            if answer.status != 206:
                answer.close()
            answer.release_conn()

    def close(self) -> None:
        """Close the connections. May be called twice."""
        self._pool.close()


def _transport_errors() -> tuple[type[Exception], ...]:
    import urllib3

    return (urllib3.exceptions.HTTPError, OSError)


@contextmanager
def serve(center: Center, url: str) -> Iterator[str]:
    """The file as a read-only NBD export (nbdkit's curl plugin) for as long as the context lasts; its URI.

    The session's cookie is handed over in a file that only we can read; when the session expires, a thread logs in anew
    and nbdkit's retry filter asks again. Raises StepFailed with nbdkit's words, InputError when it is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="bw-vsphere-") as name:
        folder = Path(name)
        cookie = folder / "cookie"
        _write_secret(cookie, center.cookie())
        argv = ["nbdkit", "-f", "--exit-with-parent", "--readonly", "--unix", str(folder / "socket")]
        # Nobody writes to the file, so what one connection reads is what all of them read, whatever the plugin claims.
        argv += ["--filter=multi-conn", "--filter=retry", "curl", "multi-conn-mode=unsafe"]
        argv += [f"url={url}", f"cookie-script=cat {cookie}", "cookie-script-renew=1", "timeout=60"]
        argv += ["retries=6", "retry-delay=1", "protocols=https", "followlocation=false"]
        if center.trust.pinned:
            (folder / "pinned.pem").write_text(center.trust.pinned)
            argv.append(f"cainfo={folder / 'pinned.pem'}")
        elif center.trust.ca_file:
            argv.append(f"cainfo={center.trust.ca_file}")
        with (folder / "log").open("w+") as log:
            try:
                child = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent
                )
            except FileNotFoundError as e:
                raise InputError(
                    _("{name} is not installed.").format(name="nbdkit"),
                    _("Install the Debian package {name}.").format(name="nbdkit"),
                ) from e
            stop = threading.Event()
            keeper = threading.Thread(target=_keep, args=(center, cookie, stop), daemon=True)
            try:
                _wait_for(child, folder)
                keeper.start()
                yield uri_of(folder / "socket")
            finally:
                stop.set()
                finish(child)
                if keeper.ident:
                    keeper.join()


def _write_secret(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(file)


def _keep(center: Center, cookie: Path, stop: threading.Event) -> None:
    generation = center.generation
    while not stop.wait(_LOOK_EVERY_S):
        try:
            center.alive()
        except BlueWizardError:
            continue  # the reads fail as well, and say so
        if center.generation != generation:
            generation = center.generation
            _write_secret(cookie, center.cookie())


def _wait_for(child: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + _START_TIMEOUT_S
    while not (folder / "socket").exists():
        if child.poll() is not None or time.monotonic() > end:
            lines = (folder / "log").read_text(errors="replace").strip().splitlines()
            raise StepFailed(_("The disk can't be opened: {error}").format(error=lines[-1] if lines else "nbdkit"))
        time.sleep(0.02)

"""Export leases (HttpNfcLease): the disks of a machine, or of a snapshot, as streams that can be read from their beginning only.

Source: HttpNfcLease of the vSphere Web Services API reference. Whoever holds a lease has to tell how far they are, or it ends.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.reach.vsphere import Center, CenterRefuses
from blue_wizard.text import _

__all__ = ["Lease", "opened", "shared"]

_READY_S = 120.0
_TELL_S = 30.0
_EXPORTS = {"VirtualMachine": "ExportVm", "VirtualMachineSnapshot": "ExportSnapshot"}


@dataclass(frozen=True)
class Stream:
    """Where a disk can be read. `place` ends with the controller and number of the disk.

    `thumbprint` is the SHA-1 of the certificate of a host that is not ours, as vCenter tells it.
    """

    url: str
    place: str = ""
    thumbprint: str = ""


class Lease:
    """A lease that is kept alive until it is given back."""

    def __init__(self, center: Center, type: str, id: str) -> None:
        self.center = center
        lease = center.change(type, id, _EXPORTS[type])
        self._id: str = lease._moId
        try:
            info = self._wait()
            self.streams = _streams(center, info)
        except BaseException:
            self._end("HttpNfcLeaseAbort")
            raise
        self._timeout = float(info.get("leaseTimeout", 300))
        self._stop = threading.Event()
        self._percent = 0
        self._keeper = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._keeper.start()

    def _wait(self) -> Mapping[str, Any]:
        end = time.monotonic() + _READY_S
        while True:
            found = self.center.one("HttpNfcLease", self._id, ["state", "info", "error"])
            if found.get("state") == "ready":
                info: Mapping[str, Any] = found["info"]
                return info
            if found.get("state") != "initializing" or time.monotonic() > end:
                error = found.get("error", {})
                raise StepFailed(
                    _("{host} gives no export lease: {error}").format(
                        host=self.center.where.host, error=error.get("localizedMessage") or found.get("state") or "?"
                    ),
                    _("Is another export or backup of this machine under way?"),
                )
            time.sleep(0.2)

    def _keep(self) -> None:
        while not self._stop.wait(min(_TELL_S, self._timeout / 3)):
            # When it can't be told the stream breaks off, and says so.
            with suppress(BlueWizardError):
                self.center.ask("HttpNfcLease", self._id, "HttpNfcLeaseProgress", percent=self._percent)

    def ended(self) -> bool:
        """Whether the server has taken it back."""
        try:
            return self.center.one("HttpNfcLease", self._id, ["state"]).get("state") != "ready"
        except CenterRefuses:
            return True

    def stream(self, place: str, places: Sequence[str]) -> Stream:
        """The stream of the disk at `place` among those of the machine. Raises StepFailed when it can't be told apart."""
        mine = [s for s in self.streams if s.place.endswith(f"/{place}")]
        if len(mine) == 1:
            return mine[0]
        known = any(s.place.endswith(f"/{p}") for s in self.streams for p in places)
        if known or len(self.streams) != len(places) or len(places) != 1:
            raise StepFailed(
                _("The export lease of {host} has no stream for disk {place}: {streams}.").format(
                    host=self.center.where.host, place=place, streams=", ".join(s.place for s in self.streams) or "-"
                )
            )
        return self.streams[0]

    def told(self, percent: int) -> None:
        """Remember how far the reading is."""
        self._percent = max(self._percent, min(99, percent))

    def close(self) -> None:
        """Give it back."""
        self._stop.set()
        self._keeper.join()
        self._end("HttpNfcLeaseComplete")

    def _end(self, how: str) -> None:
        # It may have ended by itself; what was read has been verified by then.
        with suppress(BlueWizardError):
            self.center.change("HttpNfcLease", self._id, how)


def _streams(center: Center, info: Mapping[str, Any]) -> list[Stream]:
    """The disks' streams in the order of the machine's disks."""
    found = []
    for one in info.get("deviceUrl", []):
        if one.get("disk"):
            parts = urlsplit(str(one["url"]))
            # A bare host writes a star where its own name belongs.
            if parts.hostname in {"*", None}:
                parts = parts._replace(netloc=f"{_bracketed(center.where.host)}:{center.where.port}")
            found.append(Stream(parts.geturl(), str(one.get("key", "")), str(one.get("sslThumbprint", ""))))
    return found


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


_leases: dict[tuple[str, str, str], tuple[Lease, int]] = {}
_lock = threading.Lock()


@contextmanager
def shared(center: Center, type: str, id: str) -> Iterator[Lease]:
    """The lease of an object, one for all who read its disks: a second one is refused while the first stands."""
    key = (center.where.url, type, id)
    with _lock:
        lease, users = _leases.get(key, (None, 0))
        if lease is None:
            lease = Lease(center, type, id)
        _leases[key] = (lease, users + 1)
    try:
        yield lease
    finally:
        with _lock:
            lease, users = _leases.pop(key)
            if users > 1:
                _leases[key] = (lease, users - 1)
            else:
                lease.close()


@contextmanager
def opened(lease: Lease, stream: Stream) -> Iterator[BinaryIO]:
    """A stream from its beginning. Raises StepFailed when the server refuses it; reads of it raise OSError when it breaks off."""
    import urllib3

    parts = urlsplit(stream.url)
    where = lease.center.where
    pinned: dict[str, Any] = {"ssl_context": lease.center.trust.context}
    # The address of a stream is a secret of its own; our session is nobody else's business.
    headers = {"Cookie": lease.center.cookie()} if parts.hostname == where.host else {}
    if parts.hostname != where.host and re.fullmatch(r"[0-9A-Fa-f:]{59}", stream.thumbprint):
        # The host's own certificate, as the vCenter knows it, which was verified itself.
        pinned = {"assert_fingerprint": stream.thumbprint, "cert_reqs": "CERT_NONE"}
    pool = urllib3.HTTPSConnectionPool(
        parts.hostname or where.host,
        parts.port or 443,
        maxsize=1,
        retries=False,
        timeout=urllib3.Timeout(connect=15, read=60),
        **pinned,
    )
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            answer = pool.request("GET", target, headers=headers, redirect=False, preload_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as e:
            raise StepFailed(
                _("{host} does not answer: {error}").format(host=parts.hostname, error=e),
                _("Streams come from the ESXi hosts themselves: TCP 443 to each of them has to be open."),
            ) from e
        try:
            if answer.status != 200:
                raise StepFailed(
                    _("{file} can't be read from {host}: {problem}").format(
                        file=parts.path,
                        host=parts.hostname,
                        problem=f"HTTP {answer.status} {answer.reason or ''}".strip(),
                    )
                )
            yield cast("BinaryIO", _Body(answer))
        finally:
            answer.close()
    finally:
        pool.close()


class _Body:
    """What a stream needs of an answer: reads, whose failures are OSErrors."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def read(self, length: int) -> bytes:
        import urllib3

        try:
            return bytes(self._answer.read(length))
        except urllib3.exceptions.HTTPError as e:
            raise OSError(str(e) or type(e).__name__) from e

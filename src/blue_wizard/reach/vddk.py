"""VMware's own library (VDDK) behind nbdkit: is it there, and a disk of a vCenter or ESXi host as an NBD export by way of it.

The library is VMware's and not ours to give: each user gets it there. Source: nbdkit-vddk-plugin(1).
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from blue_wizard import tracing
from blue_wizard.config import VddkConfig
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.facts.vddk import Cause, Plugin, explain, parse_plugin
from blue_wizard.masking import mask
from blue_wizard.reach import nbd, vsphere_access
from blue_wizard.reach.vsphere import Center
from blue_wizard.text import _

__all__ = ["Place", "Serving", "Unreadable", "argv", "look", "serve"]

_LOOK_S = 60
_START_S = 60.0
_LISTEN_S = 2.0
_KEPT_WORDS = 16 << 10


class Unreadable(StepFailed):
    """The library works, and this disk can't be read by it."""


@dataclass(frozen=True)
class Place:
    """A disk, as VDDK is told of it: the machine's id, the datastore path of the disk, and the id of a snapshot ("" for none:
    a machine that is off needs none)."""

    vm: str
    file: str
    snapshot: str = ""


@dataclass(frozen=True)
class Serving:
    """A disk that is being served. `cause` is why it can't be read, as far as nbdkit has said anything of it."""

    uri: str
    cause: Callable[[], Cause | None]


def look(settings: VddkConfig) -> Plugin:
    """What there is on this machine. Raises InputError naming the first thing that is missing, and where to get it."""
    libdir = settings.libdir.expanduser()
    command = ["nbdkit", settings.plugin, "--dump-plugin", f"libdir={libdir}"]
    if not libdir.is_dir():
        raise InputError(
            _("The folder of VMware's library, {folder}, is not there.").format(folder=libdir),
            _("Get VDDK from VMware (it is not ours to give), unpack it, and name the folder (vddk: libdir)."),
        )
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_LOOK_S, check=False)
    except FileNotFoundError as e:
        raise _no_nbdkit() from e
    except subprocess.TimeoutExpired as e:
        raise InputError(
            _("nbdkit has not answered for {seconds:.0f} s.").format(seconds=_LOOK_S), _("Try it: nbdkit --version")
        ) from e
    if done.returncode:
        cause = explain(done.stderr, "")
        if cause:
            raise InputError(cause.message, cause.hint)
        raise InputError(_("nbdkit can't load VMware's library: {error}").format(error=_last(done.stderr)))
    found = parse_plugin(done.stdout)
    if not found.version:
        there = ", ".join(sorted(f.name for f in (libdir / "lib64").glob("libvixDiskLib.so.*"))) or "-"
        raise InputError(
            _("nbdkit can't load VMware's library from {folder} (it has: {files}).").format(folder=libdir, files=there),
            _("Unpack VDDK from VMware, in a version that this nbdkit knows, and name its folder (vddk: libdir)."),
        )
    return found


def argv(
    settings: VddkConfig, where: vsphere_access.Access, thumbprint: str, place: Place, socket: Path, password: int
) -> list[str]:
    """nbdkit's command line. `password` is the number of the file descriptor to read it from (pure)."""
    command = ["nbdkit", "--foreground", "--exit-with-parent", "--readonly", "--unix", str(socket)]
    # Sessions break off and hosts are busy for a while. VDDK reads whole sectors, and a host gives 2 MiB where more is refused.
    command += ["--filter=blocksize", "--filter=retry", settings.plugin]
    command += ["minblock=512", "maxdata=2M", "retries=3", "retry-delay=2"]
    command += [f"libdir={settings.libdir.expanduser()}", f"server={where.host}", f"port={where.port}"]
    command += [f"user={where.user}", f"password=-{password}", f"thumbprint={thumbprint}"]
    command += [f"vm=moref={place.vm}", *([f"snapshot={place.snapshot}"] if place.snapshot else [])]
    command += [f"transports={settings.transports}", f"compression={settings.compression}", f"file={place.file}"]
    return command


@contextmanager
def serve(center: Center, settings: VddkConfig, place: Place) -> Iterator[Serving]:
    """The disk as a read-only NBD export for as long as the context lasts. It has been opened once.

    Raises StepFailed with the cause, in our words where it is a documented one; InputError when nbdkit is not installed.
    """
    host = center.where.host
    thumbprint = vsphere_access.old_thumbprint(center.where, center.trust)
    with tempfile.TemporaryDirectory(prefix="bw-vddk-") as name:
        folder = Path(name)
        socket = folder / "socket"
        with (folder / "log").open("w") as log:
            child = _start(center, lambda fd: argv(settings, center.where, thumbprint, place, socket, fd), log.fileno())
            serving = Serving(nbd.uri_of(socket), lambda: explain(_words(folder), host))
            try:
                _open(child, serving, folder, socket)
                yield serving
            finally:
                nbd.finish(child)
                words = _last(_words(folder))
                if words:
                    tracing.tell("api", f"vddk {host}", f"{place.vm} {place.file}", words)


def _start(center: Center, command: Callable[[int], Sequence[str]], log: int) -> subprocess.Popen[bytes]:
    password, close = center.hand_over()
    try:
        return subprocess.Popen(
            command(password),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(password,),
            preexec_fn=nbd.die_with_parent,
        )
    except FileNotFoundError as e:
        raise _no_nbdkit() from e
    finally:
        close()


def _open(child: subprocess.Popen[bytes], serving: Serving, folder: Path, socket: Path) -> None:
    """Wait until it listens, and open the disk: the log-in comes with the first one who connects."""
    end = time.monotonic() + _START_S
    while not socket.exists():
        if child.poll() is not None or time.monotonic() > end:
            raise _failed(serving, folder, "")
        time.sleep(0.02)
    end = time.monotonic() + _LISTEN_S
    while True:
        try:
            nbd.connect(serving.uri).shutdown()
            return
        except StepFailed as e:
            # The file is there a moment before anybody listens on it, and then nothing was said yet.
            if child.poll() is not None or _words(folder) or time.monotonic() > end:
                raise _failed(serving, folder, e.message) from e
        time.sleep(0.02)


def _failed(serving: Serving, folder: Path, otherwise: str) -> StepFailed:
    cause = serving.cause()
    if cause:
        kind = Unreadable if cause.code in {"access", "gone"} else StepFailed
        return kind(cause.message, cause.hint)
    words = _last(_words(folder)) or otherwise or "nbdkit"
    return StepFailed(_("The disk can't be opened: {error}").format(error=words))


def _words(folder: Path) -> str:
    """The end of what nbdkit has said, without secrets."""
    with (folder / "log").open("rb") as log:
        log.seek(0, 2)
        log.seek(max(0, log.tell() - _KEPT_WORDS))
        return str(mask(log.read().decode(errors="replace")))


def _last(words: str) -> str:
    lines = words.strip().splitlines()
    return lines[-1] if lines else ""


def _no_nbdkit() -> InputError:
    return InputError(
        _("{name} is not installed.").format(name="nbdkit"),
        _("Install the Debian package {name}.").format(name="nbdkit"),
    )

"""Files of a Windows host, read by position: over SMB with a password, or over SFTP with a key."""

from __future__ import annotations

import contextlib
import queue
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import PureWindowsPath
from typing import Any, Protocol

import asyncssh

from blue_wizard.errors import InputError
from blue_wizard.reach.ssh import Host, wait
from blue_wizard.text import _

__all__ = ["Files", "SftpFiles", "SmbFiles", "sftp_path", "unc_path"]

_LANES = 3
_PIECE = 1 << 20
_PAGE, _KEPT = 256 << 10, 64
# STATUS_LOGON_FAILURE, account restriction, password expired or to be changed, disabled, locked out, no such kind of logon.
_NOT_LET_IN = {0xC000006D, 0xC000006E, 0xC0000071, 0xC0000224, 0xC0000072, 0xC0000234, 0xC000015B}


class RemoteFile(Protocol):
    """An open file (`formats.window.Handle`)."""

    @property
    def size(self) -> int: ...

    def read_at(self, offset: int, length: int) -> bytes: ...

    def data_from(self, offset: int) -> tuple[int, int]: ...

    def close(self) -> None: ...


class Files(Protocol):
    """Where files are read."""

    def open(self, path: str) -> RemoteFile:
        """Open a file by its path on the host. Raises OSError, InputError."""

    def stamp(self, path: str) -> str:
        """What changes when it is written to or replaced. Raises OSError, InputError."""


def unc_path(host: str, path: str) -> str:
    """``C:\\VMs\\a.vhdx`` as ``\\\\host\\C$\\VMs\\a.vhdx``; what is on a share already stays. Raises InputError. Pure."""
    found = PureWindowsPath(path)
    if found.drive.startswith("\\\\") and found.is_absolute():
        return str(found)
    if len(found.drive) == 2 and found.root:
        return "\\\\" + "\\".join([host, f"{found.drive[0]}$", *found.parts[1:]])
    raise _no_path(path)


def sftp_path(path: str) -> str:
    """``C:\\VMs\\a.vhdx`` as ``/C:/VMs/a.vhdx``, as OpenSSH for Windows has it. Raises InputError. Pure."""
    found = PureWindowsPath(path)
    if found.drive.startswith("\\\\"):
        raise InputError(
            _("{path} is on a share, which SFTP does not lead to.").format(path=path),
            _("Read the disks over SMB: ...?disks=smb, with a password_file in the configuration."),
        )
    if len(found.drive) == 2 and found.root:
        return "/" + found.as_posix()
    raise _no_path(path)


def _no_path(path: str) -> InputError:
    return InputError(_("{path} is not the path of a file.").format(path=path))


class _Lanes(ABC):
    """A file that is open several times, so that several threads read at once.

    A differencing disk is read in pieces of as little as a sector, which would each cost a round trip: small ones are cut out of
    larger ones that are kept for a while. What is read does not change meanwhile, or the copy ends for that.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._pages: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._all: list[Any] = []

    def _add(self, lane: Any) -> None:
        self._all.append(lane)
        self._idle.put(lane)

    @contextlib.contextmanager
    def _lane(self) -> Iterator[Any]:
        lane = self._idle.get()
        try:
            yield lane
        finally:
            self._idle.put(lane)

    def data_from(self, offset: int) -> tuple[int, int]:
        """Nothing is known of holes: all of it is data."""
        return offset, self.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes."""
        if length >= _PAGE:
            return self._fetch(offset, length)
        first = offset // _PAGE * _PAGE
        with self._lock:
            page = self._pages.get(first)
        if page is None:
            page = self._fetch(first, _PAGE)
            with self._lock:
                self._pages[first] = page
                while len(self._pages) > _KEPT:
                    self._pages.popitem(last=False)
        return page[offset - first : offset - first + length]

    @abstractmethod
    def _fetch(self, offset: int, length: int) -> bytes:
        """The same, from the host."""


class SmbFiles:
    """The shares of a host (``C$``, or those that a path names). Everything on the wire is encrypted."""

    def __init__(self, host: str, user: str, password: Callable[[], str], port: int = 445) -> None:
        self._host, self._user, self._password, self._port = host, user, password, port

    def _options(self) -> dict[str, Any]:
        return {
            "username": self._user,
            "password": self._password(),
            "port": self._port,
            "encrypt": True,
            "connection_timeout": 30,
            "connection_cache": {},
        }

    def open(self, path: str) -> RemoteFile:
        """Open a file for reading, while nobody writes to it."""
        with _smb_errors(self._host):
            return _SmbFile(unc_path(self._host, path), self._options)

    def stamp(self, path: str) -> str:
        """Its size and the time of its last change."""
        smbclient = _smbclient()
        options = self._options()
        with _smb_errors(self._host):
            try:
                found = smbclient.stat(unc_path(self._host, path), **options)
            finally:
                _forget(options)
        return f"{found.st_size} {found.st_mtime_ns}"


def _smbclient() -> Any:
    # Importing it takes long, and few runs need it.
    import smbclient

    return smbclient


def _forget(options: dict[str, Any]) -> None:
    with contextlib.suppress(Exception):
        _smbclient().reset_connection_cache(connection_cache=options["connection_cache"])


@contextlib.contextmanager
def _smb_errors(host: str) -> Iterator[None]:
    """The library's errors as the system's, or as what a person can mend."""
    from smbprotocol.exceptions import LogonFailure, SMBException, SMBOSError

    def refused(error: Exception) -> InputError:
        return InputError(
            _("{host} does not let us in over SMB: {error}").format(host=host, error=_short(error)),
            _("Check the user and the password; an administrative share (C$) needs an administrator."),
        )

    try:
        yield
    except LogonFailure as e:
        raise refused(e) from e
    except SMBOSError as e:
        if e.ntstatus in _NOT_LET_IN:
            raise refused(e) from e
        raise OSError(e.errno or 0, e.strerror or _short(e)) from e
    except ValueError as e:
        # The library reports a connection that is refused, or not made in time, so.
        raise OSError(0, _short(e)) from e
    except SMBException as e:
        raise OSError(0, _short(e)) from e


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__


class _SmbFile(_Lanes):
    def __init__(self, path: str, options: Callable[[], dict[str, Any]]) -> None:
        self._path = path.split("\\")[2]
        smbclient = _smbclient()
        self._options: list[dict[str, Any]] = []
        super().__init__(0)
        try:
            for _i in range(_LANES):
                # Each has a connection of its own: those that share one also share its credits, and run out of them.
                self._options.append(options())
                lane = smbclient.open_file(path, mode="rb", buffering=0, share_access="r", **self._options[-1])
                self._add(lane)
            self.size = int(self._all[0].seek(0, 2))
        except BaseException:
            self.close()
            raise

    def _fetch(self, offset: int, length: int) -> bytes:
        with _smb_errors(self._path), self._lane() as lane:
            lane.seek(offset)
            return bytes(lane.read(min(length, _PIECE)) or b"")

    def close(self) -> None:
        """Close it everywhere."""
        for lane in self._all:
            # A connection that is gone has closed its files.
            with contextlib.suppress(Exception):
                lane.close()
        for options in self._options:
            _forget(options)
        self._all.clear()
        self._options.clear()


class SftpFiles:
    """The files of a host over the SFTP of its SSH server."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def open(self, path: str) -> RemoteFile:
        """Open a file for reading."""
        with _sftp_errors():
            return _SftpFile(self._host, sftp_path(path))

    def stamp(self, path: str) -> str:
        """Its size and the time of its last change."""
        with _sftp_errors():
            return wait(_sftp_stamp(self._host, sftp_path(path)))


@contextlib.contextmanager
def _sftp_errors() -> Iterator[None]:
    try:
        yield
    except asyncssh.SFTPError as e:
        raise OSError(0, e.reason or str(e.code)) from e
    except asyncssh.Error as e:
        raise OSError(0, str(e)) from e


async def _sftp_stamp(host: Host, path: str) -> str:
    async with (await host.open()).start_sftp_client() as client:
        found = await client.stat(path)
        return f"{found.size} {found.mtime}"


async def _sftp_open(host: Host, path: str) -> tuple[Any, Any, int]:
    client = await (await host.open()).start_sftp_client()
    try:
        file = await client.open(path, "rb")
        found = await file.stat()
    except BaseException:
        client.exit()
        raise
    return client, file, int(found.size or 0)


async def _sftp_read(file: Any, offset: int, length: int) -> bytes:
    found: bytes = await file.read(length, offset)
    return found


async def _sftp_close(client: Any) -> None:
    client.exit()
    await client.wait_closed()


class _SftpFile(_Lanes):
    def __init__(self, host: Host, path: str) -> None:
        super().__init__(0)
        client, file, self.size = wait(_sftp_open(host, path))
        self._client = client
        # One file is enough: its requests carry numbers, and do not wait for each other.
        for _i in range(_LANES):
            self._add(file)

    def _fetch(self, offset: int, length: int) -> bytes:
        with _sftp_errors(), self._lane() as file:
            return wait(_sftp_read(file, offset, min(length, 4 * _PIECE)))

    def close(self) -> None:
        """Close it."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                wait(_sftp_close(client))

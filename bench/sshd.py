"""An sshd of our own on loopback, with its own keys, for measuring and testing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Server", "keygen", "serve"]


@dataclass(frozen=True)
class Server:
    """A running sshd: its port on 127.0.0.1, its process, its public host key, the client's key file."""

    port: int
    pid: int
    host_key: str
    client_key: Path


def keygen(file: Path) -> str:
    """A new Ed25519 key pair in `file` and `file`.pub, unless it is there; the public key as ``TYPE DATA``."""
    if not file.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file)], check=True)
    return " ".join(Path(f"{file}.pub").read_text().split()[:2])


@contextmanager
def serve(folder: Path, *lines: str, name: str = "sshd") -> Iterator[Server]:
    """An sshd with all its files in `folder`, for as long as the context lasts; `lines` are added to its configuration."""
    client = folder / "id_client"
    public = keygen(client)
    host_key = keygen(folder / f"{name}_host_key")
    (folder / "authorized_keys").write_text(public + "\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    file = folder / f"{name}_config"
    file.write_text("\n".join([*lines, *_common(folder, name, port)]) + "\n")
    # sshd insists on it, and on nothing of ours.
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / f"{name}.log").open("wb") as log:
        argv = [*_empty_home(), _program(), "-D", "-e", "-f", str(file)]
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log)
    try:
        _until_it_listens(port, child, folder / f"{name}.log")
        yield Server(port, child.pid, host_key, client)
    finally:
        child.terminate()
        child.wait()


def _empty_home() -> Sequence[str]:
    """Prefix: what this machine's user has in .bashrc is neither measured nor run."""
    home = str(Path.home())
    return (
        ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs "$0" && exec "$@"', home) if os.geteuid() == 0 else ()
    )


def _program() -> str:
    return shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or "/usr/sbin/sshd"


def _common(folder: Path, name: str, port: int) -> Sequence[str]:
    return (
        f"ListenAddress 127.0.0.1:{port}",
        f"HostKey {folder / (name + '_host_key')}",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "StrictModes no",
        "UseDNS no",
        "MaxStartups 500",
        "PidFile none",
    )


def _until_it_listens(port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end and child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"sshd does not listen: {log.read_text()}")

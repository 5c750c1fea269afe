"""Files of a Windows host: a real SMB server and a real SFTP server on loopback, and a chain of VHDX files read through them."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.migrate.formats.chain import open_chain
from blue_wizard.reach import remote_files, ssh
from blue_wizard.reach.remote_files import SftpFiles, SmbFiles, sftp_path, unc_path
from lab.guests.vhdx import MIB, linked, vhdx, written_of

from .conftest import Site

CONF = """[global]
  server role = standalone server
  interfaces = lo
  bind interfaces only = yes
  disable netbios = yes
  smb ports = {port}
  server min protocol = SMB3
  load printers = no
  log level = 0
  private dir = {folder}/smb
  lock directory = {folder}/smb
  state directory = {folder}/smb
  cache directory = {folder}/smb
  pid directory = {folder}/smb
  ncalrpc dir = {folder}/smb/ncalrpc
[C$]
  path = {folder}/c
  valid users = root
  read only = yes
"""
SIZE = 8 * MIB
PATHS = ["C:\\VMs\\web\\top.avhdx", "C:\\VMs\\web\\base.vhdx"]


@dataclass(frozen=True)
class Share:
    """The drive C: of the pretended host, and what the chain on it holds."""

    drive: Path
    port: int
    content: bytes

    def smb(self, password: str = "secret") -> SmbFiles:
        return SmbFiles("127.0.0.1", "root", lambda: password, self.port)


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Share]:
    folder = tmp_path_factory.mktemp("smb")
    (folder / "smb").mkdir()
    drive = folder / "c"
    (drive / "VMs" / "web").mkdir(parents=True)
    content = os.urandom(SIZE)
    base = drive / "VMs" / "web" / "base.vhdx"
    base.write_bytes(vhdx({n: bytes([n]) * MIB for n in range(8)}, SIZE, written=uuid.UUID(int=77)))
    top = vhdx(
        {n: content[n * MIB : (n + 1) * MIB] for n in range(8)}, SIZE, parent=linked(written_of(base), ".\\base.vhdx")
    )
    (drive / "VMs" / "web" / "top.avhdx").write_bytes(top)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    conf = folder / "smb.conf"
    conf.write_text(CONF.format(folder=folder, port=port))
    subprocess.run(
        ["smbpasswd", "-c", conf, "-L", "-s", "-a", "root"], input="secret\nsecret\n", text=True, check=True, capture_output=True
    )  # fmt: skip
    # It ends its process group with itself, so it gets one of its own.
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    server = subprocess.Popen(["smbd", "--foreground", "--no-process-group", "--debug-stdout", "-s", conf], **quiet)
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield Share(drive, port, content)
    finally:
        server.terminate()
        server.wait(20)


def test_a_chain_is_read_over_smb_by_several_threads(share: Share) -> None:
    with closing(open_chain(PATHS, share.smb().open)) as image:
        image.check()
        assert image.size == SIZE
        with ThreadPoolExecutor(4) as threads:
            parts = list(threads.map(lambda at: image.read(at, 3 << 19), range(0, SIZE - (3 << 19) + 1, 3 << 19)))
        read = b"".join(parts) + image.read(len(parts) * (3 << 19), SIZE - len(parts) * (3 << 19))
        assert read == share.content
        assert not any(e.zero for e in image.extents())


def test_a_stamp_tells_a_write(share: Share) -> None:
    file = share.drive / "note.txt"
    file.write_text("one")
    before = share.smb().stamp("C:\\note.txt")
    assert before == share.smb().stamp("C:\\note.txt")
    time.sleep(0.01)
    file.write_text("two")
    assert share.smb().stamp("C:\\note.txt") != before


def test_a_chain_that_lacks_its_parent(share: Share) -> None:
    with pytest.raises(InputError, match="not in its chain"):
        open_chain(PATHS[:1], share.smb().open)


def test_a_parent_that_was_changed_since(share: Share) -> None:
    other = share.drive / "VMs" / "web" / "other.vhdx"
    other.write_bytes(vhdx({0: b"x" * MIB}, SIZE, written=uuid.UUID(int=78)))
    with pytest.raises(InputError, match="not the state"):
        open_chain([PATHS[0], "C:\\VMs\\web\\other.vhdx"], share.smb().open)


def test_a_file_that_is_gone_is_named(share: Share) -> None:
    with pytest.raises(StepFailed, match=r"gone\.vhdx"):
        open_chain(["C:\\VMs\\gone.vhdx"], share.smb().open)


def test_a_wrong_password_is_told(share: Share) -> None:
    with pytest.raises(InputError, match="does not let us in"):
        open_chain(PATHS, share.smb("wrong").open)


def test_a_server_that_is_away(share: Share) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(StepFailed, match="can't be read"):
        open_chain(PATHS, SmbFiles("127.0.0.1", "root", lambda: "x", port).open)


def test_the_same_chain_over_sftp(site: Site, share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write(hosts={"hv": site.at(site.servers.main)})
    # An SSH server of Windows has C: below its root; here it is elsewhere.
    monkeypatch.setattr(remote_files, "sftp_path", lambda p: str(share.drive) + sftp_path(p).removeprefix("/C:"))
    files = SftpFiles(ssh.host("hv"))
    with closing(open_chain(PATHS, files.open)) as image:
        assert image.read(0, SIZE) == share.content
    assert files.stamp(PATHS[0]) == files.stamp(PATHS[0])
    with pytest.raises(StepFailed, match=r"gone\.vhdx"):
        open_chain(["C:\\VMs\\gone.vhdx"], files.open)


def test_paths() -> None:
    assert unc_path("hv1", "C:\\VMs\\a b.vhdx") == "\\\\hv1\\C$\\VMs\\a b.vhdx"
    assert unc_path("hv1", "\\\\filer\\vms\\a.vhdx") == "\\\\filer\\vms\\a.vhdx"
    assert sftp_path("D:\\VMs\\a.vhdx") == "/D:/VMs/a.vhdx"
    for bad in ("a.vhdx", "\\VMs\\a.vhdx", "C:a.vhdx", ""):
        with pytest.raises(InputError):
            unc_path("hv1", bad)
        with pytest.raises(InputError):
            sftp_path(bad)
    with pytest.raises(InputError, match="share"):
        sftp_path("\\\\filer\\vms\\a.vhdx")

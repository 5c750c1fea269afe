"""An extra part (`lab/lab add physical`): a machine that only SSH leads to, with a plain system disk and a disk under LVM."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from lab.guests import cache
from lab.guests.physical import ADDRESS, MAC, USER
from lab.parts import part
from lab.run import ok, run, wait
from lab.site import PREFIX, STATE

NAME = "ledger"
FOLDER = STATE / "physical"
CONSOLE = FOLDER / "console.log"
TAP = f"{PREFIX}t-phys"
SYSTEM, DATA = FOLDER / "sda.raw", FOLDER / "sdb.raw"
DATA_SIZE = 160 << 20


def ssh() -> list[str | Path]:
    """The words before a command on it."""
    return ["ssh", "-F", STATE / "ssh" / "config", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", f"{USER}@{ADDRESS}"]


def pid() -> int | None:
    """Its process; None when it is off."""
    with suppress(OSError, ValueError):
        found = int((FOLDER / "qemu.pid").read_text())
        if str(SYSTEM) in Path(f"/proc/{found}/cmdline").read_text():
            return found
    return None


def _disks() -> None:
    if SYSTEM.exists():
        return
    new = SYSTEM.with_suffix(".part")
    run(["cp", "--sparse=always", cache.get("physical"), new])
    key = FOLDER / "ssh_host_ed25519_key"
    key.unlink(missing_ok=True)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", NAME, "-f", key])
    home = f"/home/{USER}/.ssh"
    # Written into the file system from outside, as an installer would have.
    commands = [
        f"write {STATE}/ssh/id_ed25519.pub {home}/authorized_keys",
        f"sif {home}/authorized_keys mode 0100600",
        f"sif {home}/authorized_keys uid 1000",
        f"sif {home}/authorized_keys gid 1000",
        "rm /etc/ssh/ssh_host_ed25519_key",
        f"write {key} /etc/ssh/ssh_host_ed25519_key",
        "sif /etc/ssh/ssh_host_ed25519_key mode 0100600",
    ]
    run(["debugfs", "-w", "-f", "-", f"{new}?offset=1048576"], stdin="\n".join(commands) + "\n")
    run(["truncate", "-s", str(DATA_SIZE), DATA])
    new.rename(SYSTEM)


def _known() -> None:
    known = STATE / "ssh" / "known_hosts"
    public = (FOLDER / "ssh_host_ed25519_key.pub").read_text().split()[:2]
    lines = [x for x in known.read_text().splitlines() if not x.startswith(f"{NAME},")]
    known.write_text("\n".join([*lines, f"{NAME},{ADDRESS} {' '.join(public)}"]) + "\n")


def _start() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    _disks()
    _known()
    if not ok(["ip", "link", "show", TAP]):
        run(["ip", "tuntap", "add", TAP, "mode", "tap"])
        run(["ip", "link", "set", TAP, "master", "bwl-mgmt", "up"])
    if pid():
        return
    argv = [
        "qemu-system-x86_64", "-name", NAME, "-machine", "pc", "-accel", "tcg,thread=multi,tb-size=128", "-cpu", "Nehalem",
        "-smp", "1", "-m", "512", "-nodefaults", "-display", "none", "-serial", f"file:{CONSOLE}",
        "-pidfile", FOLDER / "qemu.pid", "-daemonize",
        # A controller of its own for each disk, as servers have them; no virtio but for the card, which has no other driver here.
        "-device", "pvscsi,id=s0",
        "-drive", f"if=none,id=d0,file={SYSTEM},format=raw,cache=unsafe,discard=unmap",
        "-device", "scsi-hd,bus=s0.0,drive=d0,scsi-id=0",
        "-drive", f"if=none,id=d1,file={DATA},format=raw,cache=unsafe,discard=unmap",
        "-device", "scsi-hd,bus=s0.0,drive=d1,scsi-id=1",
        "-netdev", f"tap,id=n0,ifname={TAP},script=no,downscript=no", "-device", f"virtio-net-pci,netdev=n0,mac={MAC}",
    ]  # fmt: skip
    run(argv, timeout=60)


def stop() -> None:
    """Pull its plug."""
    found = pid()
    if found:
        os.kill(found, signal.SIGKILL)
        wait(lambda: pid() is None, f"{NAME} to be off", timeout=20)


def reset() -> None:
    """The machine as it was at first: freshly installed disks, running."""
    stop()
    for file in (SYSTEM, DATA, CONSOLE):
        file.unlink(missing_ok=True)
    _start()
    wait(answers, f"{NAME} to let us in", timeout=300, log=CONSOLE)


def answers() -> bool:
    """It lets somebody in, and its business runs."""
    return pid() is not None and ok([*ssh(), "test", "-e", "/srv/orders"])


def environment() -> dict[str, str]:
    """What makes it a host, and a source, of the operator's configuration."""
    host, source = f"BLUE_WIZARD_HOSTS__{NAME.upper()}", f"BLUE_WIZARD_SOURCES__{NAME.upper()}"
    return {
        f"{host}__ADDRESS": ADDRESS,
        f"{host}__USER": USER,
        f"{host}__SUDO": "true",
        f"{source}__URL": f"physical://{NAME}",
    }


part(
    "physical",
    needs=("bridges", "ssh-keys"),
    start=_start,
    alive=answers,
    waits_for="the physical machine to let us in",
    timeout=300,
    log=CONSOLE,
    extra=environment,
)

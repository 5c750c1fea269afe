"""An extra part (`lab/lab add fleet [N]`): N compute hosts with a fake hypervisor, ten servers on each, for campaigns.

One nova-compute process a host, on ctl1; Nova and Placement are the real ones. Its servers have no network. Each host has an
address and SSH of its own, where a stand-in for virsh lists the guests of the fake hypervisor.
"""

from __future__ import annotations

import os
import shutil

from lab.fleet import EACH, names
from lab.hosts import kill, log_of, on, running, spawn
from lab.parts import ADDED, part
from lab.parts.infra import sql
from lab.parts.openstack import CTL, config
from lab.run import ok, run, say, wait
from lab.site import ROOT, STATE, exports, fill

FOLDER = STATE / "fleet"
SOURCES = ROOT / "lab" / "fleet"
DEFAULT, MOST = 30, 100
LISTENS = 16
"""At how many addresses one sshd listens at most (OpenSSH's MAX_LISTEN_SOCKS)."""


def count() -> int:
    """How many hosts it has."""
    file = ADDED / "fleet"
    return min(MOST, int((file.read_text() if file.exists() else "").strip() or DEFAULT))


def address(number: int) -> str:
    """The address of a host, by its number from 1."""
    return f"10.99.0.{100 + number}"


def _files() -> None:
    (FOLDER / "bin").mkdir(parents=True, exist_ok=True)
    (FOLDER / "by-address").mkdir(exist_ok=True)
    for name in ("virsh", "login"):
        shutil.copy(SOURCES / name, FOLDER / "bin" / name)
    for number, host in enumerate(names(count()), 1):
        folder = FOLDER / host
        (folder / "instances").mkdir(parents=True, exist_ok=True)
        (folder / "guests").touch()
        (folder / "nova.conf").write_text(fill("fleet-compute.conf", HOST=host, FOLDER=folder))
        link = FOLDER / "by-address" / address(number)
        link.unlink(missing_ok=True)
        link.symlink_to(folder)


def _ssh() -> None:
    script = "; ".join(f"ip address replace {address(n)}/24 dev mgmt" for n in range(1, count() + 1))
    on(CTL, ["sh", "-c", script])
    _forget()
    public = " ".join((CTL.folder / "ssh_host_ed25519_key.pub").read_text().split()[:2])
    with (STATE / "ssh" / "config").open("a") as known:
        for n, host in enumerate(names(count()), 1):
            known.write(f"Host {host}\n  HostName {address(n)}\n")
    with (STATE / "ssh" / "known_hosts").open("a") as keys:
        keys.writelines(f"{host},{address(n)} {public}\n" for n, host in enumerate(names(count()), 1))
    for number, daemon in enumerate(_daemons(count())):
        first = number * LISTENS + 1
        several = range(first, min(first + LISTENS, count() + 1))
        file = FOLDER / f"{daemon}_config"
        file.write_text(fill("fleet-sshd_config", LISTEN="\n".join(f"ListenAddress {address(n)}:22" for n in several)))
        spawn(CTL, daemon, ["/usr/sbin/sshd", "-D", "-e", "-f", file])


def _daemons(hosts: int) -> list[str]:
    return [f"fleet-sshd-{n}" for n in range(-(-hosts // LISTENS))]


def _forget() -> None:
    """Take the fleet's hosts out of the files of SSH."""
    config_file, keys = STATE / "ssh" / "config", STATE / "ssh" / "known_hosts"
    lines = config_file.read_text().splitlines(keepends=True)
    mine = {i + d for i, line in enumerate(lines) if line.startswith("Host fleet-") for d in (0, 1)}
    config_file.write_text("".join(line for i, line in enumerate(lines) if i not in mine))
    keys.write_text("".join(x for x in keys.read_text().splitlines(keepends=True) if not x.startswith("fleet-")))


def _start() -> None:
    _files()
    _ssh()
    say(f"{count()} computes")
    launch = ["/usr/bin/python3", SOURCES / "launch.py", FOLDER, config("nova.conf"), *names(count())]
    spawn(CTL, "fleet", launch)
    wait(lambda: _up() >= count(), "the fleet's computes to report themselves", timeout=240, log=log_of(CTL, "fleet"))
    on(CTL, ["nova-manage", "--config-file", config("nova.conf"), "cell_v2", "discover_hosts", "--by-service"])
    say(f"{count() * EACH} servers")
    _nova("fill")


def _nova(what: str) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("OS_")} | exports() | {"PYTHONPATH": str(ROOT)}
    run([ROOT / ".venv" / "bin" / "python", "-m", "lab.fleet.servers", what, str(count())], env=env, timeout=600)


def _up() -> int:
    return int(
        sql(
            "select count(*) from nova.services where host like 'fleet-%' and deleted = 0 "
            "and updated_at > utc_timestamp() - interval 30 second;"
        )
    )


def _filled() -> int:
    return int(sql("select count(*) from nova.instances where host like 'fleet-%' and deleted = 0;"))


def _alive() -> bool:
    if not running(CTL, "fleet") or _up() < count() or _filled() < count() * EACH:
        return False
    return all(_answers(host) for host in names(count())[::LISTENS])


def _answers(host: str) -> bool:
    ssh = ["ssh", "-F", STATE / "ssh" / "config", "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", host, "virsh list"]
    return ok([str(a) for a in ssh])


def _stop() -> None:
    for daemon in ("fleet", *_daemons(MOST)):
        kill(CTL, daemon)
    _nova("empty")
    for number in range(1, MOST + 1):
        if (FOLDER / "by-address" / address(number)).is_symlink():
            on(CTL, ["ip", "address", "del", f"{address(number)}/24", "dev", "mgmt"], check=False)
    _forget()
    shutil.rmtree(FOLDER, ignore_errors=True)


part(
    "fleet",
    needs=("cells", "cloud", "ssh-keys"),
    start=_start,
    alive=_alive,
    waits_for="the fleet's computes and servers",
    timeout=60,
    log=log_of(CTL, "fleet"),
    extra=dict,
    stop=_stop,
)

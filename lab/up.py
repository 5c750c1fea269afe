"""Bringing the lab up, taking it down, and telling the truth about it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from lab.hosts import BRIDGES
from lab.parts import ADDED, Part, load, wanted
from lab.run import LabError, run, say, wait
from lab.site import HOSTS, PREFIX, STATE, passwords

NEEDS_MEMORY_GIB = 8
NEEDS_DISK_GIB = 10
_LOOKS = 3
_LOCK = Path("/run/lock/blue-wizard-lab")


def check_machine() -> None:
    """What the lab needs, before anything is touched. Raises LabError with all that is missing."""
    problems = []
    if os.geteuid() != 0:
        problems.append("root (namespaces, bridges and loop devices are made)")
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    if (release.get("ID"), release.get("VERSION_ID", "").strip('"')) != ("debian", "12"):
        problems.append(f"Debian 12 (this is {release.get('PRETTY_NAME')})")
    memory = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(memory["MemAvailable"].split()[0]) / 2**20
    if free < NEEDS_MEMORY_GIB:
        problems.append(f"{NEEDS_MEMORY_GIB} GiB of free memory ({free:.1f} are free)")
    disk = shutil.disk_usage(STATE.parent if STATE.parent.exists() else Path("/")).free / 2**30
    if disk < NEEDS_DISK_GIB:
        problems.append(f"{NEEDS_DISK_GIB} GiB of free disk under {STATE.parent} ({disk:.1f} are free)")
    for network in ("10.99.0.", "10.98.0.", "172.24.4."):
        taken = [x for x in run(["ip", "-o", "-4", "address"]).splitlines() if f" {network}" in x and PREFIX not in x]
        if taken:
            problems.append(f"the network {network}0/24, which {taken[0].split()[1]} uses")
    if problems:
        raise LabError("the lab needs:\n  - " + "\n  - ".join(problems))


def status() -> dict[str, bool]:
    """Every part and whether it is alive, asked of the part itself; a part whose needs are dead is not asked.

    Where something seems dead all are asked again: a part that answers late on a busy machine is not dead.
    """
    found = _look()
    for _again in range(_LOOKS - 1):
        if all(found.values()) or not _namespaces():
            break
        found = _look()
    return found


def _look() -> dict[str, bool]:
    parts = wanted()
    found: dict[str, bool] = {}
    lock = threading.Lock()
    events = {name: threading.Event() for name in parts}

    def ask(p: Part) -> None:
        try:
            for need in p.needs:
                events[need].wait()
            answer = all(found[n] for n in p.needs) and _alive(p)
            with lock:
                found[p.name] = answer
        finally:
            found.setdefault(p.name, False)
            events[p.name].set()

    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(ask, parts.values()))
    return {name: found[name] for name in parts}


def _alive(p: Part) -> bool:
    try:
        return bool(p.alive())
    except Exception:
        return False


@contextmanager
def _alone() -> Iterator[None]:
    """Only one process at a time changes the lab; another one waits, and then finds what the first has done."""
    with _LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that changes the lab")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def up() -> None:
    """Bring up what is down. A lab whose hosts died is taken down first; a repair that fails is followed by one rebuild."""
    with _alone():
        _up()


def down() -> None:
    """Leave no process, namespace, link, loop device, mount or state of the lab, whatever is known of it."""
    with _alone():
        _down()


def _up() -> None:
    before = status()
    if all(before.values()):
        say("everything is up already")
        return
    if all(before[f"host:{h}"] for h in HOSTS):
        try:
            start_parts()
            return
        except LabError as e:
            say(f"the repair failed, so the lab is built again: {e}")
    elif leftovers() or STATE.exists():
        say("what an earlier lab has left behind is removed first")
    _down()
    check_machine()
    # dnsmasq gives up root and still reads its files here; what is secret is in files of mode 0600.
    STATE.mkdir(parents=True, mode=0o711)
    passwords.cache_clear()
    # Made before the parts start side by side, or two of them would make different ones.
    passwords()
    start_parts()


def add(name: str, size: str = "") -> None:
    """Make an extra part belong to the lab, and start it. Raises LabError when the lab is not up."""
    extras = [n for n, p in load().items() if p.extra]
    if name not in extras:
        raise LabError(f"there is no extra part {name}; there are: {', '.join(extras)}")
    dead = [n for n, alive in status().items() if not alive and name not in (n, load()[n].of)]
    if dead:
        raise LabError(f"the lab is not up ({', '.join(dead[:5])}): make lab")
    ADDED.mkdir(exist_ok=True)
    (ADDED / name).write_text(size)
    if _alive(load()[name]):
        say(f"{name} is up already")
        return
    start_parts()


def remove(name: str) -> None:
    """Remove an extra part, and all that it has brought. Raises LabError for a part that goes only with its lab."""
    found = load().get(name)
    if found is None or found.stop is None:
        raise LabError(f"{name} is removed with its lab alone: make lab-down")
    with _alone():
        if (ADDED / name).exists():
            found.stop()
            (ADDED / name).unlink()


def start_parts() -> None:
    """Start all parts that are not alive, each as soon as what it needs is alive. Raises LabError for the first failure."""
    parts = wanted()
    done = {name: threading.Event() for name in parts}
    failed: list[str] = []

    def bring(p: Part) -> None:
        try:
            for need in p.needs:
                done[need].wait()
            if failed or _alive(p):
                return
            began = time.monotonic()
            p.start()
            wait(lambda: _alive(p) or failed, p.waits_for, timeout=p.timeout, log=p.log)
            if not failed:
                say(f"{p.name} ({time.monotonic() - began:.1f} s)")
        except Exception as e:
            failed.append(f"{p.name}: {e}")
        finally:
            done[p.name].set()

    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(bring, parts.values()))
    if failed:
        raise LabError(failed[0])


def _down() -> None:
    for pid in _processes():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    wait(lambda: not _processes(), "the lab's processes to end", timeout=30)
    for name in _namespaces():
        run(["ip", "netns", "del", name], check=False)
    for link in [x for x in _links() if x not in BRIDGES] + [x for x in _links() if x in BRIDGES]:
        run(["ip", "link", "del", link], check=False)
    for mount in reversed(_mounts()):
        run(["umount", "-l", mount], check=False)
    for device in _loops():
        run(["losetup", "-d", device], check=False)
    # A loop device goes when its last user does, a moment after the processes.
    wait(lambda: not _loops(), "the loop devices to be free", timeout=30)
    shutil.rmtree(STATE, ignore_errors=True)


def leftovers() -> list[str]:
    """All that `down` would remove, in words."""
    found = [f"process {p}" for p in _processes()]
    found += [f"namespace {n}" for n in _namespaces()] + [f"link {x}" for x in _links()]
    found += [f"mount {m}" for m in _mounts()] + [f"loop device {d}" for d in _loops()]
    return found


def _processes() -> list[int]:
    """Processes in a network namespace of ours, or in a PID namespace that such a process belongs to."""
    ours = {os.stat(f"/run/netns/{n}").st_ino for n in _namespaces()}
    seen: dict[int, tuple[str, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                seen[int(entry.name)] = (os.readlink(entry / "ns" / "net"), os.readlink(entry / "ns" / "pid"))
            except OSError:
                continue
    mine = os.readlink("/proc/self/ns/pid")
    direct = {pid for pid, (net, _) in seen.items() if net[5:-1].isdigit() and int(net[5:-1]) in ours}
    pid_namespaces = {seen[p][1] for p in direct} - {mine}
    return sorted(direct | {p for p, (_, ns) in seen.items() if ns in pid_namespaces} | _machines())


def _machines() -> set[int]:
    """Virtual machines that are hosts of their own: they run beside the namespaces, not in them."""
    found = set()
    for file in STATE.glob("*/qemu.pid"):
        try:
            pid = int(file.read_text())
            if str(STATE) in Path(f"/proc/{pid}/cmdline").read_text():
                found.add(pid)
        except (OSError, ValueError):
            continue
    return found


def _namespaces() -> list[str]:
    folder = Path("/run/netns")
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(PREFIX)) if folder.is_dir() else []


def _links() -> list[str]:
    names: Iterable[str] = (x.split(":")[1].strip().split("@")[0] for x in run(["ip", "-o", "link"]).splitlines())
    return [n for n in names if n.startswith(PREFIX)]


def _mounts() -> list[str]:
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [p for p in points if Path(p).is_relative_to(STATE)]


def _loops() -> list[str]:
    lines = (x.split(None, 1) for x in run(["losetup", "-l", "-n", "-O", "NAME,BACK-FILE"]).splitlines())
    return [x[0] for x in lines if len(x) > 1 and x[1].startswith(str(STATE))]

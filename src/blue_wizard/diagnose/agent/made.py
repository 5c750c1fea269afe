"""What a run makes on a host is written down there before it is made, so that whoever comes later can remove it, and nothing else.

One file for each run, FOLDER/RUN.json: {"pid", "started", "boot", "links"}. A run is alive while the process of this number
that was started at this tick (proc(5), stat 22) of this boot lives: numbers of processes come again.
"""

import json
import os
import subprocess
import time
from contextlib import suppress
from typing import Any, Dict, List, Tuple

FOLDER = "/run/blue-wizard/diagnose"
PREFIX = "bw-"

_BEING_WRITTEN_S = 60


def command(*argv: str) -> None:
    """Run a command; raises RuntimeError with its own words when it fails."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise RuntimeError("%s: %s" % (" ".join(argv), e))
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip()
        raise RuntimeError("%s: %s" % (" ".join(argv), said or done.returncode))


def write_down(run: str, links: List[str]) -> None:
    """Record what this process is about to make. Raises OSError, and then nothing may be made."""
    record = {"pid": os.getpid(), "started": started(os.getpid()), "boot": boot(), "links": links}
    for last in (False, False, True):
        try:
            os.makedirs(FOLDER, mode=0o700, exist_ok=True)
            draft = "%s/.%s" % (FOLDER, run)
            with open(draft, "w") as f:
                json.dump(record, f)
                f.flush()
                os.fsync(f.fileno())
            os.rename(draft, "%s/%s.json" % (FOLDER, run))
            return
        except FileNotFoundError:
            # Another run has just removed the empty folder.
            if last:
                raise


def forget(run: str) -> None:
    """All that the run had made is gone: so is its record, and the folder after the last one."""
    for name in ("%s/.%s" % (FOLDER, run), "%s/%s.json" % (FOLDER, run)):
        with suppress(FileNotFoundError):
            os.unlink(name)
    for folder in (FOLDER, os.path.dirname(FOLDER)):
        try:
            os.rmdir(folder)
        except OSError:
            return


def sweep() -> Dict[str, List[str]]:
    """Remove what dead runs left. What was removed, what belongs to runs that live, and what could not be removed."""
    removed: List[str] = []
    running: List[str] = []
    failed: List[str] = []
    for run, record in records():
        if record and alive(record):
            running += [run]
            continue
        left = []
        for link in record.get("links", []):
            if not link.startswith(PREFIX) or not os.path.isdir("/sys/class/net/" + link):
                continue
            try:
                command("ip", "link", "del", link)
                removed.append("link " + link)
            except RuntimeError as e:
                # The kernel may have been removing it at the same time.
                if os.path.isdir("/sys/class/net/" + link):
                    left.append(str(e))
        failed += left
        if not left:
            forget(run)
            removed.append("record of run " + run)
    return {"removed": removed, "running": running, "failed": failed}


def records() -> List[Tuple[str, Dict[str, Any]]]:
    """The runs that have a record, and what it says; {} where it says nothing that could be ours."""
    found = []
    for name in sorted(os.listdir(FOLDER)) if os.path.isdir(FOLDER) else []:
        draft = name.startswith(".")
        if not draft and not name.endswith(".json"):
            continue
        try:
            with open("%s/%s" % (FOLDER, name)) as f:
                record = sound(f.read())
            if draft and not record and time.time() - os.stat("%s/%s" % (FOLDER, name)).st_mtime < _BEING_WRITTEN_S:
                continue
        except FileNotFoundError:
            continue
        found.append((name[1:] if draft else name[: -len(".json")], record))
    return found


def sound(text: str) -> Dict[str, Any]:
    try:
        record = json.loads(text)
        known = {k: record[k] for k in ("pid", "started", "boot", "links")}
        return {**known, "pid": int(known["pid"]), "links": [str(x) for x in known["links"]]}
    except (ValueError, TypeError, KeyError):
        return {}


def alive(record: Dict[str, Any]) -> bool:
    return bool(record["boot"] == boot() and started(record["pid"]) == record["started"])


def started(pid: int) -> int:
    """When the process was started, in ticks since the boot; 0 when there is none."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            # The name may hold blanks and parentheses.
            return int(f.read().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


def boot() -> str:
    with open("/proc/sys/kernel/random/boot_id") as f:
        return f.read().strip()

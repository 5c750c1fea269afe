"""Copies that are killed (-9) at random moments until they get through: shared by the targets of this machine and of the lab."""

from __future__ import annotations

import contextlib
import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path

from blue_wizard.migrate.transfer.journal import Journal
from tests.drawn import seed

from .copier import identity

COPIER = Path(__file__).with_name("copier.py")
# Another sequence of kills every day.
SEED = seed()


def make_disk(file: Path, size: int) -> None:
    """A raw disk with data of many sizes, holes between, and zeroes that are stored."""
    draw = random.Random(SEED)  # noqa: S311
    with file.open("wb") as f:
        f.truncate(size)
        at = 0
        while at < size:
            length = min(draw.choice((4096, 100_000, 3 << 20, 9 << 20)), size - at)
            kind = draw.choice(("data", "data", "hole", "zeroes"))
            if kind != "hole":
                f.seek(at)
                f.write(draw.randbytes(length) if kind == "data" else bytes(length))
            at += length
        f.seek(size - 5)
        f.write(b"last.")


def kill_until_done(
    source: Path,
    kind: str,
    target: str,
    folder: Path,
    *,
    kills: int,
    object_size: int,
    env: dict[str, str] | None = None,
) -> str:
    """Copy `source`, with at most so many kills; the SHA-256 of it, which the copier found in the target too.

    Fails when an object is written that the journal knew, or when no attempt could build on the one before it.
    """
    draw = random.Random(f"{SEED} {kind} {kills}")  # noqa: S311
    print(f"seed {SEED}")
    journal, log = folder / "journal", folder / "log"
    size = source.stat().st_size
    # Slow enough for the kills to fall between two notes in the journal and behind them, fast enough to come to an end.
    most = max(12, 120 // kills)
    delay = max(0.06, 0.005 * kills)
    words = [str(source), kind, target, str(size), str(journal), str(log), str(object_size), str(delay)]
    done: set[int] = set()
    killed = resumed = 0
    while True:
        log.write_text("")
        with subprocess.Popen(
            [sys.executable, str(COPIER), *words], stdout=subprocess.PIPE, text=True, env=env
        ) as child:
            assert child.stdout is not None
            if killed < kills:
                # The last one comes late enough to find something noted.
                _until_it_writes(draw.randint(1, most) if killed < kills - 1 else 60, log, child)
                time.sleep(draw.uniform(0, delay))
                child.kill()
            printed = child.stdout.read()
        again = {int(n) for n in log.read_text().split()} & done
        assert again == set(), f"seed {SEED}: objects {sorted(again)[:5]} were written after they were noted"
        if child.returncode == 0:
            break
        assert child.returncode == -9, f"seed {SEED}"
        killed += 1
        if journal.exists():
            with contextlib.closing(Journal(journal, identity(str(source), target, size))) as notes:
                done = {r.index for r in notes.records() if r.written}
        resumed = max(resumed, len(done))
    expected = hashlib.sha256(source.read_bytes()).hexdigest()
    assert printed.strip() == expected, f"seed {SEED}"
    assert killed, "the copy was never killed"
    assert resumed, "no attempt left anything that the next one could build on"
    print(f"killed {killed} times")
    return expected


def _until_it_writes(objects: int, log: Path, child: subprocess.Popen[str]) -> None:
    while log.read_text().count("\n") < objects and child.poll() is None:
        time.sleep(0.002)

"""The worker: one process that carries out jobs. Only it launches the engine.

It holds an exclusive lock on its identity, since a second engine under the same name would run live jobs twice.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any

import structlog

from blue_wizard import config
from blue_wizard.errors import InputError, Refused
from blue_wizard.jobs.draining import Drained, draining
from blue_wizard.jobs.invariants import InvariantWatch
from blue_wizard.jobs.lease import BEAT_S, Pulse, Watch, steady
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import State
from blue_wizard.jobs.schedules import Scheduler
from blue_wizard.masking import mask
from blue_wizard.text import _

__all__ = ["alive", "run", "seat"]

_POLL_S = 0.2
_DRAIN_S = 10.0
_LIVE = (State.QUEUED, State.RUNNING, State.WAITING, State.PAUSED, State.ROLLING_BACK)


def _lock_file() -> Path:
    folder = config.load().state_dir
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / "worker.lock"


def _try_lock() -> IO[str] | None:
    file = _lock_file().open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _take_lock() -> IO[str] | None:
    # Whoever asks whether a worker is up holds the lock for a moment.
    for _try in range(10):
        file = _try_lock()
        if file is not None:
            return file
        time.sleep(0.05)
    return None


def alive() -> int | None:
    """The process id of the worker that holds the identity, or None."""
    held = _try_lock()
    if held is not None:
        held.close()
        return None
    text = _lock_file().read_text().strip()
    return int(text) if text.isdigit() else 0


def run(*, until_idle: bool, metrics: str = "") -> None:
    """Carry out jobs until SIGTERM, or until none is live; tell Prometheus on the address `metrics` (``HOST:PORT``).

    Raises Refused when another worker is up on this seat, InputError when the address can't be served on.
    """
    lock = _take_lock()
    if lock is None:
        raise Refused(
            _("A worker is up already (process {pid}).").format(pid=alive()),
            _("One is enough: it takes every job."),
        )
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    log = _logger()
    wake = threading.Event()

    def drain(_number: int, _frame: FrameType | None) -> None:
        draining.set()
        wake.set()

    signal.signal(signal.SIGTERM, drain)
    from blue_wizard.jobs import actions, engine, lease, stepping

    # A plug-in that can't be imported should be heard of now and not in the middle of a job.
    actions.load()
    if metrics:
        from blue_wizard.jobs.metrics import serve

        serve(Ledger(), metrics)
    ledger = Ledger(patience=_Patience(log))
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    ledger.sit_down(name, seat(), socket.gethostname(), os.getpid())
    # Whoever waits for the database has no pulse, so the pulse has no patience.
    hasty = Ledger()
    pulse = Pulse(lambda: hasty.beat(name), lambda: _give_up(log, name), shared=ledger.shared)
    lease.hold = pulse.hold
    pulse.start()

    def first() -> bool:
        return [w["id"] for w in ledger.workers()][:1] == [name]

    # One of the workers samples and schedules for all.
    watch = InvariantWatch(ledger, every_s=config.load().invariant_every_s, mine=first)
    watch.start()
    scheduler = Scheduler(ledger, mine=first)
    scheduler.start()
    engine.launch(name, ledger)
    log.info("worker started", worker=name, pid=os.getpid())
    with suppress(Drained):
        _serve(ledger, log, wake, until_idle=until_idle)
    idle = not draining.is_set()
    if not idle:
        log.info("draining")
        stepping.parked(_DRAIN_S)
    # Nothing more is begun here from now on.
    draining.set()
    watch.stop()
    scheduler.stop()
    pulse.stop()
    with suppress(InputError):
        hasty.strike_off(name)
    # Whoever submits a job after this finds no worker, and starts one; what came before is seen by the last look.
    lock.close()
    again = idle and _needed_again(hasty)
    log.info("worker ended", again=again)
    # Threads that were parked inside a step never end; what they left unfinished is probed by the next worker.
    logging.shutdown()
    sys.stdout.flush()
    if again:
        argv = [sys.executable, "-m", "blue_wizard", "worker", "--until-idle"]
        os.execv(sys.executable, [*argv, *([f"--metrics={metrics}"] if metrics else [])])  # noqa: S606
    os._exit(0)


def _needed_again(ledger: Ledger) -> bool:
    with suppress(InputError):
        return bool(ledger.jobs(states=_LIVE))
    return False


def _serve(ledger: Ledger, log: structlog.stdlib.BoundLogger, wake: threading.Event, *, until_idle: bool) -> None:
    """Hand jobs to the engine until the worker drains, or until none is live."""
    from blue_wizard.jobs import engine

    limits, others, looked = config.load().limits, Watch(), -BEAT_S
    while not draining.is_set():
        live = ledger.jobs(states=_LIVE)
        if steady() - looked >= BEAT_S:
            looked = steady()
            _take_over(ledger, log, others)
            _give_back(ledger, live)
            _give_back(ledger, ledger.running())
        ledger.admit(limits.total, limits.per_target, limits.kinds)
        for name in ledger.to_start():
            engine.start(name)
        for job in live:
            if job["undo_round"]:
                engine.start(job["id"], undo_round=job["undo_round"])
        if until_idle and not live and engine.idle():
            break
        wake.wait(_POLL_S)


def _take_over(ledger: Ledger, log: structlog.stdlib.BoundLogger, others: Watch) -> None:
    from blue_wizard.jobs import engine

    for dead in others.dead(ledger.workers()):
        log.warning("a worker is dead", worker=dead)
        ledger.strike_off(dead)
    if count := engine.adopt([w["id"] for w in ledger.workers()]):
        log.info("took over", workflows=count)


def _give_back(ledger: Ledger, live: list[dict[str, Any]]) -> None:
    """End jobs that the engine itself failed with as stuck: a person can undo them, and no job seems to run for ever."""
    from blue_wizard.jobs import engine

    names = {engine.name_of(j["id"], j["undo_round"]): j["id"] for j in live}
    for name, why in engine.broken(list(names)).items():
        ledger.set_state(names[name], State.STUCK, error=_("The workflow engine failed: {why}").format(why=why))


class _Patience:
    """Waits a second whenever the database fails, and says so once a minute."""

    def __init__(self, log: structlog.stdlib.BoundLogger) -> None:
        self._log, self._said = log, -60.0

    def __call__(self, error: str) -> None:
        if steady() - self._said >= 60:
            self._said = steady()
            self._log.error("the ledger can't be used: waiting", error=error)
        if draining.wait(1):
            raise Drained


def seat() -> str:
    """What the lock of `alive` stands for: this machine's state folder."""
    machine = Path("/etc/machine-id")
    name = machine.read_text().strip() if machine.is_file() else socket.gethostname()
    return f"{name}:{config.load().state_dir.resolve()}"


def _give_up(log: structlog.stdlib.BoundLogger, name: str) -> None:
    # Others carry on with our jobs by now: whatever this process still does would be done twice.
    log.error("this worker was taken for dead, or can't reach the database: it ends", worker=name)
    logging.shutdown()
    os._exit(1)


def _logger() -> structlog.stdlib.BoundLogger:
    folder = config.load().state_dir / "log"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    logging.basicConfig(
        filename=folder / "worker.log", level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    for noisy in ("keystoneauth", "asyncssh", "openstack", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            lambda _logger, _method, entry: mask(entry),
            structlog.stdlib.render_to_log_kwargs,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("blue_wizard.worker")
    return logger

"""One command on many hosts at once. What goes wrong on a host is that host's result, and never stops the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from blue_wizard import config
from blue_wizard.reach import ssh
from blue_wizard.reach.argv import Wrap
from blue_wizard.reach.faults import CommandFailed, Fault, NotReached

__all__ = ["Answer", "run_all", "run_many"]


@dataclass(frozen=True)
class Answer:
    """What came of a command on one host: a result, or none with the reason. `fault` is None when its exit status was 0."""

    host: ssh.Host
    argv: tuple[str, ...]
    result: ssh.Result | None = None
    fault: Fault | None = None
    message: str = ""
    hint: str = ""

    @property
    def ok(self) -> bool:
        """True when the command ran and ended with status 0."""
        return self.fault is None


def run_all(
    hosts: Iterable[ssh.Host],
    argv: Sequence[str],
    *,
    limit: int | None = None,
    per_host: int | None = None,
    timeout_s: float = 60,
    root: bool = False,
    within: Wrap | None = None,
    on_result: Callable[[Answer], None] | None = None,
) -> list[Answer]:
    """The command on all hosts; the answers in the order of the hosts. For the options see `run_many`."""
    return run_many(
        [(host, argv) for host in hosts],
        limit=limit,
        per_host=per_host,
        timeout_s=timeout_s,
        root=root,
        within=within,
        on_result=on_result,
    )


def run_many(
    tasks: Sequence[tuple[ssh.Host, Sequence[str]]],
    *,
    limit: int | None = None,
    per_host: int | None = None,
    timeout_s: float = 60,
    root: bool = False,
    within: Wrap | None = None,
    on_result: Callable[[Answer], None] | None = None,
) -> list[Answer]:
    """Commands on hosts, at most `limit` at once and `per_host` on one host; the answers in the order of the tasks.

    The limits default to the configuration's `ssh.total` and `ssh.per_host`. `timeout_s` is for each command by itself. `on_result`
    gets each answer as it comes (in the thread of the connections, so it should be quick). A host that could not be reached
    once is not tried again for its other tasks: repeated logins lock accounts.
    """
    settings = config.load().ssh
    return ssh.wait(
        _run(
            tasks,
            limit or settings.total,
            per_host or settings.per_host,
            lambda host, argv: host.execute(argv, timeout_s=timeout_s, root=root, within=within),
            on_result,
        )
    )


async def _run(
    tasks: Sequence[tuple[ssh.Host, Sequence[str]]],
    limit: int,
    per_host: int,
    execute: Callable[[ssh.Host, Sequence[str]], Awaitable[ssh.Result]],
    on_result: Callable[[Answer], None] | None,
) -> list[Answer]:
    total = asyncio.Semaphore(limit)
    each = {host: asyncio.Semaphore(per_host) for host, _argv in tasks}
    lost: dict[ssh.Host, NotReached] = {}

    async def one(host: ssh.Host, argv: Sequence[str]) -> Answer:
        # The host's own limit first: whoever waits for it must not hold a place that another host could use.
        async with each[host], total:
            answer = await attempt(host, argv)
        if on_result is not None:
            on_result(answer)
        return answer

    async def attempt(host: ssh.Host, argv: Sequence[str]) -> Answer:
        known = tuple(argv)
        try:
            if host in lost:
                raise lost[host]
            result = await execute(host, argv)
        except NotReached as e:
            if e.fault is not Fault.SUDO:
                lost[host] = e
            return Answer(host, known, None, e.fault, e.message, e.hint)
        except CommandFailed as e:
            return Answer(host, known, None, e.fault, e.message, e.hint)
        except Exception as e:
            # Whatever it is, it is this host's alone.
            return Answer(host, known, None, Fault.LOST, f"{host.name}: {type(e).__name__}: {e}")
        if result.status != 0:
            return Answer(host, known, result, Fault.STATUS, ssh.failure(argv, host.name, result))
        return Answer(host, known, result)

    return list(await asyncio.gather(*(one(host, argv) for host, argv in tasks)))

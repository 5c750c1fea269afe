"""`blue-wizard doctor` and `blue-wizard hosts`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from blue_wizard import config
from blue_wizard.commands.job import OutputOption
from blue_wizard.report.out import emit, plain
from blue_wizard.text import _

__all__ = ["doctor_command", "hosts_command", "progress"]

_QUIET_S = 2.0
_REMIND_S = 5.0


def doctor_command(*, output: OutputOption = "table") -> int:
    """Check that every cloud, host, tool and right is there that will be needed. Changes nothing."""
    from blue_wizard.doctor import model, runner
    from blue_wizard.report.doctor import counts, doctor_tables

    site = model.Site(config.load())
    began = time.monotonic()
    with progress() as told:
        found = runner.run(model.checks(), site, told)
    took, count = time.monotonic() - began, counts(found)
    lines = [{"check": f.check, **plain(line), "took_s": round(f.took_s, 2)} for f in found for line in f.lines]
    data = {"counts": count, "took_s": round(took, 2), "lines": lines}
    emit(data, output, lambda: doctor_tables(found, took))
    return 1 if count["failed"] or count["unknown"] else 0


@contextmanager
def progress() -> Iterator[Callable[[int, Sequence[str]], None]]:
    """Tells on stderr, from the third second on, what is still waited for."""
    from rich.text import Text

    from blue_wizard.report.out import errors

    out = errors()
    began = time.monotonic()
    told = [began + _QUIET_S - _REMIND_S]
    with out.status("") as status:
        status.stop()

        def tell(done: int, waiting: Sequence[str]) -> None:
            now = time.monotonic()
            if now - began < _QUIET_S:
                return
            text = _("{done} of {total} done; still looking at: {names}").format(
                done=done, total=done + len(waiting), names=", ".join(waiting)
            )
            if out.is_terminal:
                status.update(Text(text))
                status.start()
            elif now - told[0] >= _REMIND_S:
                told[0] = now
                out.print(text, markup=False)

        yield tell


def hosts_command(*, output: OutputOption = "table") -> int:
    """The hosts of the inventory, and who knows of them."""
    from blue_wizard.reach import inventory
    from blue_wizard.report.doctor import hosts_table
    from blue_wizard.report.out import errors

    settings = config.load()
    found = inventory.read(settings.cloud_names)
    for origin, error in found.failed:
        errors().print(_("hosts from {origin}").format(origin=origin) + f": {error.message}", markup=False)
    emit(found.hosts, output, lambda: hosts_table(found.hosts))
    return 1 if found.failed else 0

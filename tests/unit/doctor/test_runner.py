"""Checks side by side: one that hangs, fails or breaks holds up and hides nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from blue_wizard import config
from blue_wizard.doctor.model import Check, Line, Site, Status, failed, ok
from blue_wizard.doctor.runner import run
from blue_wizard.errors import InputError


def _site() -> Site:
    return Site(config.load())


def test_a_check_that_hangs_is_unknown_and_what_it_found_is_told() -> None:
    never = threading.Event()

    def hangs(_site: Site, item: str) -> Iterable[Line]:
        yield ok(f"{item} begins")
        never.wait()

    def is_quick(_site: Site, _item: str) -> Iterable[Line]:
        yield ok("quick")

    heard: list[tuple[int, list[str]]] = []
    checks = [Check("slow", hangs, over=lambda _s: ("x",), timeout_s=0.3), Check("quick", is_quick)]
    began = time.monotonic()
    slow, quick = run(checks, _site(), lambda done, names: heard.append((done, list(names))))
    assert time.monotonic() - began < 5
    assert [(line.what, line.status) for line in slow.lines] == [("x begins", Status.OK), ("slow x", Status.UNKNOWN)]
    assert quick.lines == (ok("quick"),)
    assert (1, ["slow x"]) in heard


def test_all_run_at_once() -> None:
    together = threading.Barrier(3, timeout=5)

    def meets(_site: Site, item: str) -> Iterable[Line]:
        together.wait()
        yield ok(item)

    found = run([Check("one", meets), Check("two", meets, over=lambda _s: ("a", "b"))], _site())
    assert [f.check for f in found] == ["one", "two a", "two b"]
    assert all(line.status is Status.OK for f in found for line in f.lines)


def test_an_error_for_the_user_is_a_failure_and_a_broken_check_is_unknown() -> None:
    def refuses(_site: Site, _item: str) -> Iterable[Line]:
        raise InputError("no cloud", "name one")

    def breaks(_site: Site, _item: str) -> Iterable[Line]:
        yield failed("first", "bad")
        raise KeyError("x")

    def over(_site: Site) -> Iterable[str]:
        raise InputError("nothing to look at")

    found = run([Check("a", refuses), Check("b", breaks), Check("c", breaks, over=over)], _site())
    assert found[0].lines == (Line(Status.FAILED, "a", "no cloud", "name one"),)
    assert [line.status for line in found[1].lines] == [Status.UNKNOWN, Status.FAILED]
    assert found[2].lines == (Line(Status.FAILED, "c", "nothing to look at"),)

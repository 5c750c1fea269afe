"""What the tests of the failures share: a site with a dead disk, and how its replacement may go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from blue_wizard.errors import BlueWizardError, Refused
from tests.storage import build
from tests.storage.runner import Bench, Run, Waits
from tests.storage.site import State, digests

from .test_whole import same

Make = Callable[[State], Bench]
OLD_STYLE = ("kolla-ssd", "kolla", "kolla-bluestore", "rdo-ssd", "rdo")
ALL = tuple(build.KINDS)


@contextlib.contextmanager
def nothing_touched(b: Bench) -> Iterator[None]:
    """What is inside is refused, and has changed nothing."""
    yield
    assert b.site.changes() == []
    now = b.site.state()
    assert digests(now) == digests(b.first)
    assert now["cluster"]["flags"] == b.first["cluster"]["flags"]


def refused(b: Bench, words: str, error: type[BlueWizardError] = Refused, **more: Any) -> None:
    with nothing_touched(b), pytest.raises(error) as e:
        b.plan(**more)
    assert words in e.value.message, e.value.message


def waits(run: Run, words: str) -> None:
    with pytest.raises(Waits) as e:
        run.forward()
    assert words in str(e.value), str(e.value)


def failed(make: Make, kind: str, **cluster: Any) -> Bench:
    """A site of that kind whose OSD 3 is dead."""
    state = build.site(kind)
    build.fail(state)
    state["cluster"] |= cluster
    return make(state)


def done(b: Bench, run: Run) -> None:
    assert run.forward() == "done", run.error
    same(b)

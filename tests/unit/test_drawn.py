"""One of each group a day, another day another one, and all of them with --whole."""

from __future__ import annotations

from typing import Any

import pytest

from tests import drawn


class Item:
    """As much of a test as the plug-in looks at."""

    def __init__(self, nodeid: str, group: str = "", *, slow: bool = False) -> None:
        self.nodeid = nodeid
        self.marks = ({"drawn": pytest.mark.drawn(group).mark} if group else {}) | (
            {"slow": pytest.mark.slow.mark} if slow else {}
        )

        self.made_slow = False

    def get_closest_marker(self, name: str) -> Any:
        return self.marks.get(name)

    def add_marker(self, marker: Any) -> None:
        self.made_slow = marker.name == "slow"


def _items() -> list[Any]:
    return [
        *(Item(f"a.py::killed[{n}]", "killed") for n in range(40)),
        Item("a.py::in_the_middle", "killed"),
        Item("b.py::first", "other"),
        Item("b.py::second", "other"),
        Item("b.py::never", "other", slow=True),
        Item("c.py::always"),
    ]


def _left(monkeypatch: pytest.MonkeyPatch, day: str) -> list[str]:
    """Whom the plug-in leaves as they were."""
    monkeypatch.setenv("BW_SEED", day)
    items = _items()
    drawn.pytest_collection_modifyitems(items)
    return [i.nodeid for i in items if not i.made_slow]


def test_one_of_each_group_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    days = [_left(monkeypatch, f"2026-01-{n:02}") for n in range(1, 32)]
    for left in days:
        assert sum("a.py" in i for i in left) == 1
        # Who is slow is dropped elsewhere, and is in nobody's place.
        assert {"b.py::never", "c.py::always"} <= set(left)
        assert len({"b.py::first", "b.py::second"} & set(left)) == 1
    assert _left(monkeypatch, "2026-01-01") == days[0]
    # Every function has its days, however few cases it has.
    assert sum("a.py::in_the_middle" in left for left in days) > 5
    assert {i for left in days for i in left if "b.py" in i} == {"b.py::first", "b.py::second", "b.py::never"}


def test_all_of_them_are_there_for_whole() -> None:
    items = _items()
    drawn.pytest_collection_modifyitems(items)
    assert [i.nodeid for i in items] == [i.nodeid for i in _items()]

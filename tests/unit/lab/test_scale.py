"""The SQL of the big cloud: whole, in one transaction, and named so that it can be told from the rest."""

from __future__ import annotations

import re

import pytest

from lab.parts import scale


@pytest.fixture
def statements() -> str:
    return scale.statements()


def test_nothing_is_left_to_fill_in(statements: str) -> None:
    assert "{{" not in statements
    assert "seq_1_to_10000" in statements
    assert "seq_1_to_20000" in statements


def test_rows_come_in_one_transaction(statements: str) -> None:
    begin, end = statements.index("start transaction;"), statements.index("commit;")
    inserts = [m.start() for m in re.finditer(r"^insert ", statements, re.M)]
    assert len(inserts) > 25
    assert all(begin < at < end for at in inserts)
    # MariaDB ends a transaction at a statement that makes or drops something.
    assert not re.search(r"^\s*(create|drop|alter|truncate)\b", statements[begin:end], re.M)


def test_every_insert_names_its_columns(statements: str) -> None:
    """A column more in another release must not shift the values."""
    assert not re.search(r"^insert (?:ignore )?into \S+\s+(?:select|values)", statements, re.M)


def test_only_parts_that_are_asked_for(statements: str) -> None:
    from lab.parts import load

    assert load()["scale"].extra is not None, "no lab has it by itself"

"""The journal after crashes: what is whole counts, the rest does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.transfer.journal import Journal, OtherDisk, Record, remove

SELF = {"source": ["a", 1], "target": "b"}
RECORDS = [Record(i, i % 3 != 0, bytes([i % 251]) * 32) for i in (0, 1, 5000, 7, 1 << 40)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "transfers" / "job.step"
    journal = Journal(file, SELF)
    journal.append(RECORDS)
    journal.close()
    return file


def _records(path: Path) -> list[Record]:
    journal = Journal(path, SELF)
    try:
        return list(journal.records())
    finally:
        journal.close()


def test_it_tells_what_it_was_told(path: Path) -> None:
    assert _records(path) == sorted(RECORDS, key=lambda r: r.index)
    journal = Journal(path, SELF)
    assert len(journal) == len(RECORDS)
    assert journal.get(5000) == RECORDS[2]
    assert journal.get(5001) is None
    journal.close()


@pytest.mark.parametrize("cut", range(1, 46))
def test_a_torn_record_is_left_out_and_written_over(path: Path, cut: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut] + bytes(cut))
    assert _records(path) == sorted(RECORDS[:-1], key=lambda r: r.index)
    path.write_bytes(whole[:-cut])
    journal = Journal(path, SELF)
    journal.append([RECORDS[-1]])
    journal.close()
    assert path.read_bytes() == whole


def test_what_follows_a_damaged_record_does_not_count(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-45 * 4 + 3] ^= 1
    path.write_bytes(raw)
    assert _records(path) == RECORDS[:1]
    new = Record(9, True, bytes(32))
    journal = Journal(path, SELF)
    journal.append([new])
    journal.close()
    assert _records(path) == [RECORDS[0], new]


@pytest.mark.parametrize("other", [{**SELF, "target": "c"}, {}, {"source": ["a", 2], "target": "b"}])
def test_a_journal_of_another_disk_is_refused(path: Path, other: dict[str, object]) -> None:
    before = path.read_bytes()
    with pytest.raises(OtherDisk, match="another disk"):
        Journal(path, other)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"", b"blue-wizard transfer 1\n", b"x" * 500, b"blue-wizard transfer 1\n" + b"\xff" * 300]
)
def test_what_is_no_journal_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(OtherDisk):
        Journal(path, SELF)


def test_only_one_process_has_it(path: Path) -> None:
    journal = Journal(path, SELF)
    with pytest.raises(StepFailed, match="Another process"):
        Journal(path, SELF)
    journal.close()
    assert len(_records(path)) == len(RECORDS)


def test_the_root_depends_on_every_object_and_not_on_their_order(tmp_path: Path) -> None:
    roots = []
    for number, records in enumerate((RECORDS, RECORDS[::-1], RECORDS[1:])):
        journal = Journal(tmp_path / str(number), SELF)
        journal.append(records)
        roots.append(journal.root())
        journal.close()
    assert roots[0] == roots[1] != roots[2]


def test_removing_it_twice_is_fine(path: Path) -> None:
    remove(path)
    remove(path)
    assert not path.exists()

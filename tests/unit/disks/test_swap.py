"""The swap of the disk, judged: whatever a person can get wrong is told and waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blue_wizard.disks.swap import Wishes, judge
from blue_wizard.facts.blockdev import Disk

from .views import disk, part

OLD, OTHER, SSD = (
    disk("b", 1, part("sdb1", "KOLLA_CEPH_DATA_3")),
    disk("c", 2, part("sdc1")),
    disk("d", 7, rotates=False),
)
KNOWN = {d.key: d.by_path for d in (OLD, OTHER, SSD)}
WISHES = Wishes(10 << 30, True, 512)
NEW = replace(disk("e", 1), serial="SN-NEW")


def _said(*now: Disk, dirty: tuple[str, ...] = (), word: str = "") -> str:
    found, wrong = judge("SN-B", KNOWN, now, WISHES, dirty, word)
    assert (found is None) == bool(wrong)
    return wrong


def test_a_good_one() -> None:
    assert judge("SN-B", KNOWN, [OTHER, SSD, NEW], WISHES) == (NEW, "")


def test_letters_are_no_matter() -> None:
    """a2: the new one got the letter of the old one, another disk moved."""
    moved = replace(OTHER, name="sdb", path="/dev/sdb")
    assert _said(moved, SSD, replace(NEW, name="sdc", path="/dev/sdc")) == ""


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ([OLD, OTHER, SSD], "still in"),  # a5, a32: nothing was done, or the same one came back
        ([OLD, OTHER, SSD, NEW], "still in"),  # the new one went into a free slot
        ([OTHER, SSD], "no new disk"),
        ([OLD, SSD, NEW], "WRONG DISK PULLED: put SN-C"),  # a1: that comes first, since another OSD is without its disk
        ([SSD, NEW], "WRONG DISK PULLED: put SN-C"),  # a1: both are out
        ([OTHER, NEW], "WRONG DISK PULLED: put SN-D"),  # a1: the journal SSD
        ([OTHER, SSD, NEW, replace(NEW, serial="SN-NEW2")], "several new disks"),
        ([OTHER, SSD, replace(NEW, size=9 << 30)], "too small"),  # a4
        ([OTHER, SSD, replace(NEW, rotates=False)], "an SSD instead of a hard disk"),  # a4
        ([OTHER, SSD, replace(NEW, sector=4096)], "sectors of 4096"),  # a4
        ([OTHER, SSD, replace(NEW, parts=(part("sde1"),))], "not blank"),  # a3
        ([OTHER, SSD, replace(NEW, fstype="LVM2_member")], "not blank"),  # a3
    ],
)
def test_what_a_person_can_get_wrong(now: list[Disk], words: str) -> None:
    assert words in _said(*now)


def test_content_that_only_a_look_finds() -> None:
    """a3: a foreign label without partitions; only the explicit word for this very disk allows it."""
    assert "not blank" in _said(OTHER, SSD, NEW, dirty=("SN-NEW",))
    assert "not blank" in _said(OTHER, SSD, NEW, dirty=("SN-NEW",), word="yes")
    assert "not blank" in _said(OTHER, SSD, NEW, dirty=("SN-NEW",), word="wipe SN-OTHER")
    assert "not blank" in _said(OTHER, SSD, NEW, dirty=("SN-NEW",), word="wipe ")
    assert _said(OTHER, SSD, NEW, dirty=("SN-NEW",), word="wipe SN-NEW") == ""


def test_the_word_allows_content_and_nothing_else() -> None:
    assert "too small" in _said(OTHER, SSD, replace(NEW, size=1), word="wipe SN-NEW")
    assert "still in" in _said(OLD, OTHER, SSD, NEW, word="wipe SN-B")


def test_a_disk_of_another_maker_may_be_a_little_smaller() -> None:
    assert _said(OTHER, SSD, replace(NEW, size=int((10 << 30) * 0.998))) == ""

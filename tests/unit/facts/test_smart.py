"""What smartctl's JSON says of a disk."""

from __future__ import annotations

import json
from typing import Any

import pytest

from blue_wizard.facts import smart


def _ata(**raw: int) -> dict[str, Any]:
    ids = {"reallocated": 5, "pending": 197, "offline": 198}
    return {
        "smart_status": {"passed": True},
        "ata_smart_attributes": {"table": [{"id": ids[k], "raw": {"value": v}} for k, v in raw.items()]},
    }


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"smart_status": {"passed": True}}, ()),
        ({"smart_status": {"passed": False}}, ("failing",)),
        (_ata(reallocated=3, pending=0, offline=0), ()),
        (_ata(reallocated=300), ("300 sectors were replaced",)),
        (_ata(pending=8, offline=2), ("8 sectors can't be read",)),
        # Some makers keep other counts in the upper bytes of a raw value.
        (_ata(pending=0x1_0000_0000), ()),
        (
            {
                "scsi_error_counter_log": {
                    "read": {"total_uncorrected_errors": 2},
                    "write": {"total_uncorrected_errors": 1},
                }
            },
            ("3 errors",),
        ),
        ({"scsi_grown_defect_list": 120}, ("120 sectors",)),
        (
            {"nvme_smart_health_information_log": {"critical_warning": 4, "media_errors": 1, "percentage_used": 101}},
            ("0x04", "1 errors", "101 percent"),
        ),
        ({"smartctl": {"exit_status": 2, "messages": [{"string": "Device is in STANDBY mode"}]}}, ()),
    ],
)
def test_signs(told: dict[str, Any], words: tuple[str, ...]) -> None:
    found = smart.signs(json.dumps(told))
    assert len(found) == len(words)
    for sign, word in zip(found, words, strict=True):
        assert word in sign


@pytest.mark.parametrize("text", ["", "smartctl 6.6: UNRECOGNIZED OPTION: j", "[]", "{"])
def test_no_answer_is_no_sign(text: str) -> None:
    assert smart.signs(text) == ()

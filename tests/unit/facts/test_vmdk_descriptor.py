from __future__ import annotations

import json

import pytest

from blue_wizard.facts import qemu_img
from blue_wizard.facts.vmdk_descriptor import Extent, parent, parse

SPLIT = """# Disk DescriptorFile
version=1
parentCID=fffffffe
createType="twoGbMaxExtentFlat"
parentFileNameHint="web.vmdk"
RW 4192256 FLAT "web s-f001.vmdk" 0
RW 63 FLAT "web-f002.vmdk" 128
RW 100 SPARSE "web-s003.vmdk"
RW 8 ZERO
RW 8 ZERO ""
RW 8 SESPARSE "a-000001.vmdk"
"""
PLAIN = """# Disk DescriptorFile
version=1
CID=1a2b3c4d
parentCID=ffffffff
createType="vmfs"

# Extent description
RW 67585 VMFS "网 店-flat.vmdk"

# The Disk Data Base
ddb.adapterType = "lsilogic"
"""


def test_a_flat_disk_is_one_extent() -> None:
    assert parse(PLAIN) == (Extent("VMFS", 67585 * 512, "网 店-flat.vmdk"),)
    assert parent(PLAIN) == ""


def test_several_extents_offsets_holes_and_the_parent_are_told() -> None:
    found = parse(SPLIT)
    assert [(e.size // 512, e.kind, e.file, e.needs // 512) for e in found] == [
        (4192256, "FLAT", "web s-f001.vmdk", 4192256),
        (63, "FLAT", "web-f002.vmdk", 191),
        (100, "SPARSE", "web-s003.vmdk", 0),
        (8, "ZERO", "", 0),
        (8, "ZERO", "", 0),
        (8, "SESPARSE", "a-000001.vmdk", 0),
    ]
    assert found[1].offset == 65536
    assert parent(SPLIT) == "web.vmdk"


@pytest.mark.parametrize("text", ["", "KDMV\x01\x00", "# Disk DescriptorFile\nversion=1\n", "<html>not found</html>"])
def test_what_is_no_descriptor_has_no_extents(text: str) -> None:
    assert parse(text) == ()
    assert parent(text) == ""


def test_only_named_extents_are_other_files() -> None:
    def refers(extent_format: str) -> tuple[str, ...]:
        extents = [{"filename": "/x/m.vmdk", "format": extent_format}]
        data = {"format": "vmdk", "virtual-size": 1, "format-specific": {"data": {"extents": extents}}}
        return qemu_img.parse_info(json.dumps(data)).refers

    assert refers("") == ()
    assert refers("FLAT") == ("/x/m.vmdk",)

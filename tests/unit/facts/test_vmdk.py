from __future__ import annotations

import pytest

from blue_wizard.facts.vmdk import Extent, parse

FLAT = """# Disk DescriptorFile
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
    assert parse(FLAT) == (Extent("VMFS", 67585 * 512, "网 店-flat.vmdk"),)


def test_several_extents_offsets_and_holes_are_told() -> None:
    text = FLAT.replace(
        'RW 67585 VMFS "网 店-flat.vmdk"', 'RW 8 FLAT "a.vmdk" 128\nRW 8 ZERO\nRW 8 SESPARSE "a-000001.vmdk"'
    )
    assert parse(text) == (
        Extent("FLAT", 4096, "a.vmdk", 65536),
        Extent("ZERO", 4096, ""),
        Extent("SESPARSE", 4096, "a-000001.vmdk"),
    )


@pytest.mark.parametrize("text", ["", "KDMV\x01\x00", "# Disk DescriptorFile\nversion=1\n", "<html>not found</html>"])
def test_what_is_no_descriptor_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="descriptor"):
        parse(text)

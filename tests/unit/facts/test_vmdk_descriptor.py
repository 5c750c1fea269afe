from __future__ import annotations

import json

from blue_wizard.facts import qemu_img, vmdk_descriptor

TEXT = """# Disk DescriptorFile
version=1
parentCID=fffffffe
createType="twoGbMaxExtentFlat"
parentFileNameHint="web.vmdk"
RW 4192256 FLAT "web s-f001.vmdk" 0
RW 63 FLAT "web-f002.vmdk" 128
RW 100 SPARSE "web-s003.vmdk"
RW 8 ZERO ""
"""


def test_extents_and_parent() -> None:
    found = vmdk_descriptor.parse(TEXT)
    assert [(e.size // 512, e.kind, e.file, e.needs // 512) for e in found] == [
        (4192256, "FLAT", "web s-f001.vmdk", 4192256),
        (63, "FLAT", "web-f002.vmdk", 191),
        (100, "SPARSE", "web-s003.vmdk", 0),
        (8, "ZERO", "", 0),
    ]
    assert vmdk_descriptor.parent(TEXT) == "web.vmdk"
    assert vmdk_descriptor.parse("") == ()
    assert vmdk_descriptor.parent("") == ""


def test_only_named_extents_are_other_files() -> None:
    def refers(extent_format: str) -> tuple[str, ...]:
        extents = [{"filename": "/x/m.vmdk", "format": extent_format}]
        data = {"format": "vmdk", "virtual-size": 1, "format-specific": {"data": {"extents": extents}}}
        return qemu_img.parse_info(json.dumps(data)).refers

    assert refers("") == ()
    assert refers("FLAT") == ("/x/m.vmdk",)

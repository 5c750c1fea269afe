"""The source of the how-to is what it claims: one file of thirty lines."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "add-a-source.md"


def test_the_source_of_the_how_to_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)
    assert code is not None
    lines = [line for line in code[1].splitlines() if line.strip()]
    assert len(lines) <= 30
    (tmp_path / "my_library.py").write_text(code[1])
    disk = tmp_path / "library" / "one" / "disk.raw"
    disk.parent.mkdir(parents=True)
    disk.write_bytes(b"\1" * (1 << 20))

    from blue_wizard.migrate.sources import _registry, open_source
    from blue_wizard.migrate.transfer import verify
    from blue_wizard.migrate.transfer.nbd_reader import NbdReader

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("BLUE_WIZARD_PLUGINS", "my_library")
    try:
        source = open_source(f"lib://{tmp_path}/library")
        (machine,) = source.discover("o*")
        assert (machine.name, machine.disks[0].size) == ("one", 1 << 20)
        with source.open_disk("one", "disk.raw") as export:
            found = verify.sha256(NbdReader(export.uri, export.size))
        import hashlib

        assert found == hashlib.sha256(disk.read_bytes()).hexdigest()
    finally:
        _registry.pop("lib", None)
        sys.modules.pop("my_library", None)
        importlib.invalidate_caches()

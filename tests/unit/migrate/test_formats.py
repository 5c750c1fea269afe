"""What all formats share; the formats themselves are tested in tests/formats."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.migrate.formats import image_format, open_image
from blue_wizard.migrate.formats.inflate import PackedError, deflated
from blue_wizard.migrate.formats.vhdx import crc32c
from blue_wizard.migrate.formats.window import Tables, Window


def test_the_check_value_of_crc32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def test_a_format_is_registered_once(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"nothing that has a mark")
    assert open_image(tmp_path / "x") is None
    with pytest.raises(ValueError, match="taken"):
        image_format("vhdx")(lambda _window, _family: None)
    with pytest.raises(InputError, match="missing"):
        open_image(tmp_path / "missing")


@pytest.mark.parametrize("spoil", [lambda d: d[:-1], lambda d: d[:-3] + b"xyz", lambda d: b"", lambda d: d[:20]])
def test_a_stream_that_is_not_whole_gives_nothing(spoil: object) -> None:
    data = zlib.compress(bytes(range(256)) * 16)
    assert deflated(data + b"padding", 4096) == bytes(range(256)) * 16
    with pytest.raises(PackedError):
        deflated(spoil(data), 4096)  # type: ignore[operator]
    with pytest.raises(PackedError):
        deflated(data, 4095)


def test_a_window_ends_where_it_ends(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(100)))
    window = Window(tmp_path / "x", 10, 50, "part")
    assert window.read(0, 50) == bytes(range(10, 60))
    assert bytes(window.near(40, 20)) == bytes(range(50, 60))
    assert window.read_some(60, 5) == b""
    for offset, length in ((0, 51), (50, 1), (-1, 1), (1 << 70, 1), (0, 1 << 70)):
        with pytest.raises(StepFailed, match="part"):
            window.read(offset, length)
    with pytest.raises(StepFailed, match="part"):
        Window(tmp_path / "x", 60, 50, "part")
    window.close()
    window.close()


def test_tables_stay_within_their_limit(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\0\0\0\1" * 4096)
    tables = Tables(Window(tmp_path / "x"), "I", "big", limit=4096)
    for i in range(16):
        assert set(tables.get(1024 * i, 256) or ()) == {1}
    assert tables._held <= 4096
    assert len(tables._known) < 16

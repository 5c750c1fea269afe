"""The copy into a real RBD image: killed at random, and refused where it has to be."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.copies import kill_until_done, make_disk

from .conftest import Lab

pytestmark = pytest.mark.lab
SIZE = (200 << 20) + 777
OBJECT = 1 << 20


@pytest.fixture
def image(lab: Lab) -> Iterator[str]:
    """A blank image beside Cinder's."""
    name = f"volumes/transfer-{secrets.token_hex(4)}"
    lab.rbd("create", "--size", "208M", "--object-size", "1M", name)
    yield name
    lab.rbd("rm", "--no-progress", name)


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random(lab: Lab, image: str, tmp_path: Path, kills: int) -> None:
    source = tmp_path / "disk.raw"
    make_disk(source, SIZE)
    expected = kill_until_done(source, "rbd", image, tmp_path, kills=kills, object_size=OBJECT, env=lab.environment)
    assert lab.rbd_sha256(image, SIZE) == expected

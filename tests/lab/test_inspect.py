"""A look into a real Debian guest finds its system and its drivers."""

from __future__ import annotations

import pytest

from blue_wizard.migrate import convert
from blue_wizard.reach import nbd
from lab.guests import cache

from .conftest import Lab

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(
    ("guest", "virtio"), [("debian", True), pytest.param("debian-legacy", False, marks=pytest.mark.slow)]
)
def test_a_debian_guest(lab: Lab, monkeypatch: pytest.MonkeyPatch, guest: str, virtio: bool) -> None:
    monkeypatch.setenv("LIBGUESTFS_BACKEND_SETTINGS", lab.env["LIBGUESTFS_BACKEND_SETTINGS"])
    with nbd.serve(nbd.file_node(cache.get(guest), "raw")) as uri:
        found = convert.inspect(uri)
    assert found == convert.Guest("Debian GNU/Linux 12 (bookworm)", virtio)

"""A look into a real guest finds its system and its drivers, or that it has none."""

from __future__ import annotations

import pytest

from blue_wizard.facts.card_names import CardNames
from blue_wizard.migrate import convert
from blue_wizard.reach import nbd
from lab.guests import cache

from .conftest import Lab

pytestmark = pytest.mark.lab


def test_a_debian_guest_and_its_drivers_are_recognised(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBGUESTFS_BACKEND_SETTINGS", lab.env["LIBGUESTFS_BACKEND_SETTINGS"])
    with nbd.serve(nbd.file_node(cache.get("debian"), "raw")) as uri:
        found = convert.inspect(uri)
    assert found.system == "Debian GNU/Linux 12 (bookworm)"
    assert found.virtio is True


@pytest.mark.slow
def test_where_there_is_no_system_it_is_known_that_there_is_none(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBGUESTFS_BACKEND_SETTINGS", lab.env["LIBGUESTFS_BACKEND_SETTINGS"])
    with nbd.serve(nbd.file_node(cache.get("tiny"), "raw")) as uri:
        found = convert.inspect(uri)
    assert (found.system, found.cards) == ("", CardNames())

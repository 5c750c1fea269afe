"""The totals of a big cloud, the last that a lab is good for: its scheduler would place servers on hosts that do not exist."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.parts.scale import SIZES

from .conftest import Lab
from .test_stats import agree

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.fixture
def big(lab: Lab) -> Iterator[Lab]:
    """The lab with a big cloud in its databases; it is taken down afterwards."""
    lab.run("add", "scale", timeout=900)
    yield lab
    lab.run("down")


def test_totals_of_a_big_cloud(big: Lab) -> None:
    seen: dict[str, float | None] = {}

    def look() -> dict[str, float | None]:
        found = big.json("stats", "--deadline", "900")
        seen.update({name: one["value"] for name, one in found["statistics"].items()})
        return seen

    assert agree(look) == {}
    for name, what in (("servers.count", "SERVERS"), ("network.ports", "PORTS"), ("storage.volumes", "VOLUMES"),
                       ("projects.count", "PROJECTS"), ("hosts.count", "HOSTS")):  # fmt: skip
        assert (seen[name] or 0) >= SIZES[what]
    assert (seen["hosts.up"] or 0) >= SIZES["HOSTS"], "they report"
    assert (seen["flavors.slots_largest"] or 0) > 0

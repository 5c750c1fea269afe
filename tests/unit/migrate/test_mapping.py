from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard.errors import InputError
from blue_wizard.migrate.mapping import Flavor, MapFile, Subnet, best_flavor, fitting_subnet, gib, network_for, read_map

FLAVORS = [Flavor(str(i), n, v, r, 0, x) for i, (n, v, r, x) in enumerate(
    [("s", 1, 1024, False), ("m", 2, 2048, False), ("l", 4, 8192, False), ("gpu", 2, 2048, True)])]  # fmt: skip


@pytest.mark.parametrize(
    ("vcpus", "memory", "expected"),
    [(1, 1024, "s"), (1, 512, "s"), (2, 1500, "m"), (1, 1500, "m"), (4, 5000, "l"), (8, 1024, None), (1, 256, None)],
)
def test_the_smallest_flavor_that_fits_and_does_not_waste(vcpus: int, memory: int, expected: str | None) -> None:
    found = best_flavor(FLAVORS, vcpus, memory)
    assert (found.name if found else None) == expected


@given(st.integers(1, 1 << 50))
def test_gib_is_never_smaller_than_the_disk(size: int) -> None:
    assert gib(size) << 30 >= size
    assert (gib(size) - 1) << 30 < size


def test_the_map_goes_before_the_same_name_and_the_default_comes_last() -> None:
    mapped = MapFile(networks={"a": "x"}, default_network="d")
    known = {"a": 1, "b": 1}
    assert [network_for(n, mapped, known) for n in ("a", "b", "c", "")] == ["x", "b", "d", "d"]
    assert network_for("c", MapFile(), known) is None


def test_the_subnet_that_holds_the_address() -> None:
    subnets = (Subnet("1", "10.0.0.0/24"), Subnet("2", "10.0.1.0/24"))
    found = fitting_subnet(subnets, "10.0.1.7")
    assert found is not None
    assert found.id == "2"
    assert fitting_subnet(subnets, "10.0.2.7") is None


def test_a_map_with_an_unknown_word_is_named(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text("netwroks: {}\n")
    with pytest.raises(InputError, match=r"map\.yaml.*netwroks"):
        read_map(file)

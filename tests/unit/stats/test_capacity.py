"""What fits on hosts: Placement's formula, slots, fragmentation, packing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard.stats.capacity import (
    DISK,
    MEMORY,
    VCPU,
    Host,
    Inventory,
    Request,
    capacity,
    fragmentation,
    largest,
    pack,
    slots,
    slots_on,
    without,
)


def _host(name: str, vcpus: int, memory: int, used: tuple[int, int] = (0, 0), **more: object) -> Host:
    made = Host(name, {VCPU: vcpus, MEMORY: memory}, {VCPU: used[0], MEMORY: used[1]})
    return replace(made, **more)  # type: ignore[arg-type]


SMALL = Request({VCPU: 2, MEMORY: 4096})


@pytest.mark.parametrize(
    ("total", "reserved", "ratio", "expected"),
    [
        (64, 4, 4.0, 240),  # reserved comes off before the ratio: not 64 * 4 - 4 = 252
        (64, 0, 1.0, 64),
        (3, 0, 1.5, 4),  # cut, not rounded
        (100, 10, 0.9, 81),
        (17754, 512, 1.0, 17242),
    ],
)
def test_placements_formula(total: int, reserved: int, ratio: float, expected: int) -> None:
    assert capacity(total, reserved, ratio) == expected == Inventory(total, reserved, ratio).capacity


def test_slots_are_counted_host_by_host_and_never_over_the_sum() -> None:
    hosts = [_host(f"h{i}", 3, 1 << 20) for i in range(8)]
    assert slots(hosts, Request({VCPU: 4})) == 0, "24 VCPUs are free, and no host has 4"
    assert slots(hosts, Request({VCPU: 2})) == 8


def test_the_scarcest_class_decides() -> None:
    assert slots_on(_host("a", 100, 10_000), SMALL) == 2
    assert slots_on(_host("a", 4, 1 << 20), SMALL) == 2
    assert slots_on(_host("a", 100, 10_000, used=(0, 8000)), SMALL) == 0


def test_a_host_over_its_capacity_takes_nothing_and_lends_nothing() -> None:
    over = _host("a", 16, 1 << 20, used=(20, 0))
    assert slots_on(over, SMALL) == 0
    assert slots([over, _host("b", 4, 1 << 20)], SMALL) == 2


def test_max_unit_and_step_size() -> None:
    big = Request({VCPU: 48, MEMORY: 1024})
    host = _host("a", 128, 1 << 20)
    assert slots_on(host, big) == 2
    assert slots_on(replace(host, max_unit={VCPU: 32}), big) == 0, "no server is wider than the host's threads"
    assert slots_on(replace(host, step_size={MEMORY: 1000}), big) == 0
    assert slots_on(replace(host, step_size={MEMORY: 512}), big) == 2


@pytest.mark.parametrize(
    "host",
    [
        _host("a", 8, 1 << 20, enabled=False),
        _host("a", 8, 1 << 20, up=False),
        _host("a", 8, 1 << 20, traits=frozenset({"COMPUTE_STATUS_DISABLED"})),
    ],
)
def test_a_closed_host_takes_nothing(host: Host) -> None:
    assert slots_on(host, SMALL) == 0
    assert largest([host], VCPU) == 0


def test_traits_properties_and_zone() -> None:
    host = _host("a", 8, 1 << 20, traits=frozenset({"CUSTOM_SSD"}), properties={"disk": frozenset({"ssd"})}, zone="az1")
    assert slots_on(host, replace(SMALL, required=frozenset({"CUSTOM_SSD"}))) == 4
    assert slots_on(host, replace(SMALL, required=frozenset({"CUSTOM_GPU"}))) == 0
    assert slots_on(host, replace(SMALL, forbidden=frozenset({"CUSTOM_SSD"}))) == 0
    assert slots_on(host, replace(SMALL, properties={"disk": frozenset({"ssd", "nvme"})})) == 4
    assert slots_on(host, replace(SMALL, properties={"disk": frozenset({"hdd"})})) == 0
    assert slots_on(host, replace(SMALL, properties={"rack": frozenset({"r1"})})) == 0
    assert slots_on(host, replace(SMALL, zone="az2")) == 0


def test_a_class_that_a_host_does_not_have() -> None:
    assert slots_on(_host("a", 8, 1 << 20), Request({VCPU: 1, "VGPU": 1})) == 0


def test_shared_disk_limits_the_sum_and_no_host() -> None:
    wanted = Request({VCPU: 1, DISK: 40})
    hosts = [Host(n, {VCPU: 10, DISK: 100}, {VCPU: 0, DISK: 90}, shared=frozenset({DISK})) for n in ("a", "b", "c")]
    assert slots(hosts, wanted, {DISK: 100}) == 2
    assert slots(hosts, wanted) == 30


def test_fragmentation() -> None:
    hosts = [_host("a", 3, 1 << 20), _host("b", 5, 1 << 20)]
    assert fragmentation(hosts, Request({VCPU: 4})) == pytest.approx(0.5)
    assert fragmentation(hosts, Request({VCPU: 1})) == 0
    assert fragmentation(hosts, Request({MEMORY: 1})) is None
    assert fragmentation([_host("a", 0, 1)], Request({VCPU: 1})) is None


def test_largest_is_bounded_by_max_unit() -> None:
    hosts = [_host("a", 128, 1000, max_unit={VCPU: 8}), _host("b", 12, 2000)]
    assert largest(hosts, VCPU) == 12
    assert largest(hosts, MEMORY) == 2000
    assert largest([], VCPU) == 0


def test_packing_puts_the_largest_first() -> None:
    hosts = [_host("a", 8, 1 << 20), _host("b", 4, 1 << 20)]
    wanted = [Request({VCPU: n}) for n in (2, 2, 4, 4)]
    found = pack(hosts, wanted)
    assert found.fits
    assert sum(h.used[VCPU] for h in found.hosts) == 12
    assert pack(hosts, [*wanted, Request({VCPU: 1})]).left == (4,)


def test_what_is_lost_is_not_packed_onto() -> None:
    assert [h.name for h in without([_host("a", 1, 1), _host("b", 1, 1)], "a")] == ["b"]


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=15),
)
def test_packing_never_promises_too_much(rooms: list[tuple[int, int]], sizes: list[tuple[int, int]]) -> None:
    hosts = [_host(f"h{i}", *room) for i, room in enumerate(rooms)]
    found = pack(hosts, [Request({VCPU: v, MEMORY: m}) for v, m in sizes])
    for host in found.hosts:
        mine = [sizes[i] for i, name in found.placed.items() if name == host.name]
        assert sum(v for v, _m in mine) <= host.capacity[VCPU]
        assert sum(m for _v, m in mine) <= host.capacity[MEMORY]
    assert sorted([*found.placed, *found.left]) == list(range(len(sizes)))

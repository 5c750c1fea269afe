"""The filter runs in the kernel: on a pair of local sockets, which needs neither root nor a network."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard.diagnose.agent.listen import attach, filter_works
from blue_wizard.diagnose.filter import dhcp_filter
from blue_wizard.facts.dhcp import discover, offer, parse
from tests.unit.facts.wrapping import in_geneve, in_vxlan, over_ip4, over_ip6, tagged, udp_of

MAC, OTHER = "fa:16:3e:f2:38:8d", "fa:16:3e:f2:38:8e"
OFFER = offer(MAC, 7, server_mac="fa:16:3e:00:00:01", server="10.0.0.2", address="10.0.0.5")
OWN = [
    discover(MAC, 7),
    OFFER,
    *(tagged(f, 101) for f in (discover(MAC, 7), OFFER)),
    tagged(tagged(OFFER, 1), 2, 0x88A8),
]
TUNNELLED = [
    *(in_vxlan(f, 77) for f in OWN[:4]),
    in_vxlan(OFFER, 77, 8472),
    tagged(in_vxlan(OFFER, 77), 5),
    in_geneve(OFFER, 77),
    in_geneve(OFFER, 77, b"\1" * 252),
    over_ip6(udp_of(in_vxlan(OFFER, 77))),
    over_ip4(udp_of(in_geneve(OFFER, 77)), options=b"\1" * 40),
]
FOREIGN = [
    discover(OTHER, 7),
    discover("fb" + MAC[2:], 7),
    over_ip4(udp_of(OFFER), fragment=9),
    OFFER[:280],
    b"\0" * 20,
]


class Kernel:
    """A socket behind a filter."""

    def __init__(self, mac: str | None, *, tunnel: bool) -> None:
        self._near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        attach(self._far, [list(i) for i in dhcp_filter(mac, tunnel=tunnel)])

    def passes(self, frame: bytes) -> bool:
        self._near.send(frame)
        try:
            return self._far.recv(65535, socket.MSG_DONTWAIT) == frame
        except BlockingIOError:
            return False

    def close(self) -> None:
        self._near.close()
        self._far.close()


@pytest.fixture(scope="module")
def kernels() -> Iterator[dict[str, Kernel]]:
    made = {"plain": Kernel(MAC, tunnel=False), "tunnel": Kernel(MAC, tunnel=True), "any": Kernel(None, tunnel=False)}
    yield made
    for kernel in made.values():
        kernel.close()


@pytest.mark.parametrize("frame", OWN)
def test_the_guests_own_messages_pass(kernels: dict[str, Kernel], frame: bytes) -> None:
    assert {name: k.passes(frame) for name, k in kernels.items()} == {"plain": True, "tunnel": True, "any": True}


@pytest.mark.parametrize("frame", TUNNELLED)
def test_tunnels_are_looked_into_where_it_is_wanted(kernels: dict[str, Kernel], frame: bytes) -> None:
    assert {name: k.passes(frame) for name, k in kernels.items()} == {"plain": False, "tunnel": True, "any": False}


@pytest.mark.parametrize("frame", [*FOREIGN, *(in_vxlan(f, 77) for f in FOREIGN)])
def test_what_is_not_the_guests_does_not(kernels: dict[str, Kernel], frame: bytes) -> None:
    assert not kernels["plain"].passes(frame)
    assert not kernels["tunnel"].passes(frame)


def test_anybodys_requests(kernels: dict[str, Kernel]) -> None:
    assert kernels["any"].passes(discover(OTHER, 7))


@given(data=st.binary(min_size=1, max_size=500), at=st.integers(0, 390), base=st.sampled_from([*OWN, *TUNNELLED]))
def test_the_filter_loses_nothing_that_can_be_read(
    data: bytes, at: int, base: bytes, kernels: dict[str, Kernel]
) -> None:
    """Damage a frame anywhere: what is still read as a message of this guest must have passed the filter."""
    frame = base[:at] + data + base[at + len(data) :]
    found = parse(frame)
    if found is not None and found.chaddr == MAC and len(found.vlans) <= 2:
        assert kernels["tunnel"].passes(frame)


def test_the_proof_on_the_host_tells_a_broken_filter() -> None:
    good = [list(i) for i in dhcp_filter(MAC)]
    deaf = [[0x06, 0, 0, 0]]
    assert filter_works(good, OWN[0], True)
    assert filter_works(good, FOREIGN[0], False)
    assert not filter_works(deaf, OWN[0], True)
    assert not filter_works([[0x06, 0, 0, 0x40000]], FOREIGN[0], False)


def test_no_mac_address() -> None:
    with pytest.raises(ValueError, match="MAC"):
        dhcp_filter("fa:16")

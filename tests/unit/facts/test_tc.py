"""What tc filters do with a DHCP frame; the texts are in the form of iproute2 6.1."""

from __future__ import annotations

import pytest

from blue_wizard.facts import dhcp, tc

REQUEST = dhcp.discover("fa:16:3e:00:00:01", 1)
REPLY = dhcp.offer("fa:16:3e:00:00:01", 1, server_mac="fa:16:3e:00:00:02", server="10.0.0.2", address="10.0.0.5")
DROP = "\n\taction order 1: gact action drop\n\t random type none pass val 0\n"
BPF = (
    "'11,40 0 0 12,21 0 8 2048,48 0 0 23,21 0 6 17,40 0 0 20,69 4 0 8191,"
    "177 0 0 14,72 0 0 16,21 0 1 67,6 0 0 2,6 0 0 4294967295'"
)


FLOWER = "filter protocol ip pref 3 flower chain 0 handle 0x1"
POLICE = (
    "filter protocol all pref 49 basic chain 0 handle 0x1 \n"
    "\taction order 1:  police 0x1 rate 64Kbit burst 8Kb mtu 64Kb action drop overhead 0b\n"
)


def _u32(*matches: str) -> str:
    lines = "".join(f"\n  match {m} (success 0 )" for m in matches)
    return f"filter protocol ip pref 2 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt 0 terminal flowid not_in_hw{lines}{DROP}"


@pytest.mark.parametrize(
    ("text", "request_dropped", "reply_dropped"),
    [
        ("", False, False),
        (f"filter protocol all pref 1 bpf chain 0 handle 0x1 direct-action not_in_hw bytecode {BPF}\n", True, False),
        ("filter protocol all pref 1 bpf chain 0 handle 0x1 bytecode '1,6 0 0 4294967295'" + DROP, True, True),
        ("filter protocol all pref 1 bpf chain 0 handle 0x1 bytecode '1,6 0 0 0'" + DROP, False, False),
        (_u32("00000043/0000ffff at 20", "00110000/00ff0000 at 8"), True, False),
        (_u32("00430000/ffff0000 at nexthdr+0"), False, True),
        (_u32("00000019/0000ffff at 20"), False, False),
        (f"{FLOWER}\n  eth_type ipv4\n  ip_proto udp\n  dst_port 68\n  not_in_hw{DROP}", False, True),
        (f"{FLOWER}\n  ip_proto tcp\n  dst_port 67\n  not_in_hw{DROP}", False, False),
        ("filter protocol all pref 4 matchall chain 0 handle 0x1 \n  not_in_hw (rule hit 3)" + DROP, True, True),
        # What Open vSwitch makes for a limit: packets within it pass.
        (POLICE, False, False),
    ],
)  # fmt: skip
def test_what_is_dropped(text: str, request_dropped: bool, reply_dropped: bool) -> None:
    assert bool(tc.judge(text, REQUEST).by) is request_dropped
    assert bool(tc.judge(text, REPLY).by) is reply_dropped
    assert tc.judge(text, REQUEST).doubt == ()


def test_a_program_in_the_kernel_is_doubtful() -> None:
    text = (
        "filter protocol all pref 1 bpf chain 0 handle 0x1 prog.o:[cls] direct-action not_in_hw id 42 tag 3b18 jited\n"
    )
    found = tc.judge(text, REQUEST)
    assert found.by == ""
    assert len(found.doubt) == 1


def test_the_first_program_that_decides_ends_it() -> None:
    passes = "filter protocol all pref 1 bpf chain 0 handle 0x1 direct-action not_in_hw bytecode '1,6 0 0 0'\n"
    drops = "filter protocol all pref 2 bpf chain 0 handle 0x1 direct-action not_in_hw bytecode '1,6 0 0 2'\n"
    assert tc.judge(passes + drops, REQUEST).by == ""
    assert tc.judge(drops + passes, REQUEST).by


@pytest.mark.parametrize("program", ["", "x", "1,6 0 0", "1,5 0 0 9", "2,0 0 0 1,7 0 0 0"])
def test_what_is_no_program(program: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        tc.run_bpf(program, REQUEST)


@pytest.mark.parametrize(
    ("program", "result"),
    [
        ("2,128 0 0 0,22 0 0 0", len(REQUEST)),
        ("4,0 0 0 6,4 0 0 2,7 0 0 0,22 0 0 0", 8),
        ("3,0 0 0 255,84 0 0 15,22 0 0 0", 15),
        ("4,0 0 0 5,2 0 0 3,96 0 0 3,22 0 0 0", 5),
        ("2,32 0 0 9999,6 0 0 1", 0),
    ],
)
def test_bpf(program: str, result: int) -> None:
    assert tc.run_bpf(program, REQUEST) == result

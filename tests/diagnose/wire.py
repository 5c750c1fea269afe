"""Both ends of a wire. ``send DEVICE HEX TIMES`` puts a frame onto a device; ``tap DEVICE BRIDGE`` is a guest behind its own tap.

The guest says "up", and when its stdin ends each frame that it got, as hex.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import subprocess
import sys

_SET_TUN, _TAP, _NO_HEADER = 0x400454CA, 0x2, 0x1000


def send(device: str, frame: bytes, times: int) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind((device, 0))
        for _i in range(times):
            s.send(frame)


def guest(device: str, bridge: str) -> None:
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, _SET_TUN, struct.pack("16sH22x", device.encode(), _TAP | _NO_HEADER))
    subprocess.run(["ip", "link", "set", device, "master", bridge, "up"], check=True)
    print("up", flush=True)
    got = []
    while True:
        ready, _w, _e = select.select([tap, 0], [], [])
        if tap in ready:
            got.append(os.read(tap, 65535).hex())
        elif not os.read(0, 100):
            break
    print("\n".join(got))


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], bytes.fromhex(sys.argv[3]), int(sys.argv[4]))
    else:
        guest(sys.argv[2], sys.argv[3])

"""Put a frame onto a device: DEVICE HEX TIMES."""

from __future__ import annotations

import socket
import sys

if __name__ == "__main__":
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind((sys.argv[1], 0))
        for _i in range(int(sys.argv[3])):
            s.send(bytes.fromhex(sys.argv[2]))

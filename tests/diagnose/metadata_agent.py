"""Answers every question on a Unix socket as Neutron's metadata agent would: ``metadata_agent.py PATH``."""

from __future__ import annotations

import socketserver
import sys


class Handler(socketserver.StreamRequestHandler):
    """One question."""

    def handle(self) -> None:
        """The network that the proxy names is the answer."""
        network = b""
        while line := self.rfile.readline().strip():
            name, _colon, value = line.partition(b":")
            if name.lower() == b"x-ovn-network-id":
                network = value.strip()
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + network)


if __name__ == "__main__":
    with socketserver.UnixStreamServer(sys.argv[1], Handler) as server:
        server.serve_forever()

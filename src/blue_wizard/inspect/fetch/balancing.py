"""From HAProxy and keepalived on each host that has them."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field

from blue_wizard.facts.probe import Command, Reading
from blue_wizard.inspect.facts import host_fact

__all__ = ["HaproxyRow", "HaproxyState", "VirtualAddresses"]

_NOT_HERE = 3


def _text(reading: Reading) -> str:
    if reading.absent or reading.status != 0:
        raise ValueError(reading.error.strip() or f"exit status {reading.status}")
    return reading.text


@dataclass(frozen=True)
class HaproxyRow:
    """A line of ``show stat``: a server of a proxy, or its ``FRONTEND`` or ``BACKEND``; `sessions` as (now, limit)."""

    proxy: str
    name: str
    status: str = "UP"
    sessions: tuple[int, int] = (0, 0)
    queued: int = 0
    backup: bool = False


@dataclass(frozen=True)
class HaproxyState:
    """``show stat`` of one HAProxy."""

    rows: tuple[HaproxyRow, ...] = ()

    def servers(self, proxy: str) -> tuple[HaproxyRow, ...]:
        """The servers of a proxy."""
        return tuple(r for r in self.rows if r.proxy == proxy and r.name not in {"FRONTEND", "BACKEND"})

    @staticmethod
    def parse(text: str) -> HaproxyState:
        """Its CSV. Raises ValueError where it is none."""
        if not text.lstrip("# ").startswith("pxname"):
            raise ValueError("no statistics of HAProxy")
        rows = csv.DictReader(io.StringIO(text.lstrip().removeprefix("# ")))

        def number(row: dict[str, str], key: str) -> int:
            return int(row.get(key) or 0)

        return HaproxyState(
            tuple(
                HaproxyRow(
                    r["pxname"],
                    r["svname"],
                    r.get("status") or "",
                    (number(r, "scur"), number(r, "slim")),
                    number(r, "qcur"),
                    (r.get("bck") or "0") == "1",
                )
                for r in rows
                if r.get("pxname") and r.get("svname")
            )
        )


# Neutron and Octavia run some of both for their own ends; they are left out.
# The socket is named by the configuration of the process that runs. Python is there: it runs this very script.
# Neutron and Octavia run some of both in namespaces, for their own ends: those are left out.
_OWN = r"""
own() { for p in $(pgrep -x "$1"); do
  tr '\0' ' ' < /proc/$p/cmdline | grep -qE 'metadata[-_]proxy|ha_confs|octavia|qrouter' || { echo $p; return; }
done; return 1; }
"""
_STAT = (
    _OWN
    + r"""
pid=$(own haproxy) || exit 3
for c in docker podman; do command -v $c >/dev/null && $c inspect haproxy >/dev/null 2>&1 && box=$c && break; done
conf=$(tr '\0' '\n' < /proc/$pid/cmdline | grep -A1 '^-f$' | tail -1)
look() { if [ -n "$box" ]; then $box exec haproxy cat "$1"; else cat "$1"; fi; }
sock=$(look "${conf:-/etc/haproxy/haproxy.cfg}" | awk '$1 == "stats" && $2 == "socket" {print $3; exit}')
[ -n "$sock" ] || { echo "haproxy.cfg has no stats socket" >&2; exit 1; }
[ -n "$box" ] && root=/proc/$pid/root
exec python3 -I -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(4); s.connect(sys.argv[1]); s.sendall(b"show stat\n")
while True:
    d = s.recv(65536)
    if not d: break
    sys.stdout.write(d.decode("utf-8", "replace"))' "$root$sock"
"""
)
host_fact(
    HaproxyState,
    lambda r: None if r["stat"].status == _NOT_HERE else HaproxyState.parse(_text(r["stat"])),
    stat=Command(("sh", "-c", _STAT)),
)


@dataclass(frozen=True)
class VirtualAddresses:
    """The addresses that keepalived should carry on one of its hosts, and all that this host has."""

    wanted: tuple[str, ...] = ()
    here: frozenset[str] = field(default_factory=frozenset)

    @staticmethod
    def parse(text: str) -> VirtualAddresses:
        """The configuration's ``virtual_ipaddress`` blocks, a line ``==``, and ``ip -o address``."""
        configuration, _mark, addresses = text.partition("\n==\n")
        blocks = re.findall(r"virtual_ipaddress(?:_excluded)?\s*\{(.*?)\}", configuration, re.S)
        wanted = [w for b in blocks for w in re.findall(r"^\s*([0-9a-fA-F:.]+)(?:/\d+)?\b", b, re.M)]
        return VirtualAddresses(
            tuple(dict.fromkeys(wanted)), frozenset(re.findall(r"\binet6? ([0-9a-fA-F:.]+)", addresses))
        )


# Of the configuration nothing but these blocks leaves the host: it has a password.
_VIP = (
    _OWN
    + r"""
pid=$(own keepalived) || exit 3
conf=$(tr '\0' '\n' < /proc/$pid/cmdline | grep -A1 -E '^(-f|--use-file)$' | tail -1)
conf=/proc/$pid/root${conf:-/etc/keepalived/keepalived.conf}
[ -r "$conf" ] || exit 1
sed -n '/virtual_ipaddress/,/}/p' "$conf"
echo; echo ==
ip -o address
"""
)
host_fact(
    VirtualAddresses,
    lambda r: None if r["vip"].status == _NOT_HERE else VirtualAddresses.parse(_text(r["vip"])),
    vip=Command(("sh", "-c", _VIP)),
)

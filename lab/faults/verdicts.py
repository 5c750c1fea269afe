"""What the diagnosis said against what had to be said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.faults import OVN, Fault
from lab.faults.target import Target

_OVS = {
    "compute-br-int": "compute-ovs",
    "compute-br-tun": "compute-ovs",
    "compute-bridge": "compute-ovs",
    "network-nic": "network-ovs",
    "network-br-tun": "network-ovs",
    "network-bridge": "network-ovs",
    "network-br-int": "network-ovs",
    "qvo": "compute-ovs",
    "compute-nic": "wire",
    "dhcp-port": "dhcp",
    "dhcp-server": "dhcp",
    "gateway-port": "router",
    "router": "router",
}
_ORDER = (
    "guest",
    "tap",
    "qbr",
    "qvb",
    "qvo",
    "compute-br-int",
    "compute-br-tun",
    "compute-bridge",
    "compute-nic",
    "network-nic",
    "network-br-tun",
    "network-bridge",
    "network-br-int",
    "dhcp-port",
    "dhcp-server",
    "gateway-port",
    "router",
    "out-port",
    "metadata-proxy",
    "dns-server",
)


def segment(between: list[str] | None, *, ovn: bool = False) -> str:
    """The segment of two neighbouring hops, in whichever direction; "" for none.

    Captures cannot see inside a switch, so all its hops are one segment: from the last place before it to the first behind it.
    With `ovn` what answers is in the switch, too.
    """
    if not between or any(h not in _ORDER for h in between):
        return ""
    first, last = sorted(between, key=_ORDER.index)
    if first == "tap" and (last.startswith("compute") or (ovn and last == "dhcp-server")):
        return "compute-ovs"
    return _OVS.get(first, first)


@dataclass(frozen=True)
class Judged:
    """One diagnosis of one fault. `expected` is what had to be found, in words; `said` what was."""

    fault: str
    mode: str
    verdict: str
    hop: str
    cause: str
    said: str
    expected: str
    seconds: float
    right_verdict: bool
    right_segment: bool
    right_cause: bool


def judge(fault: Fault, target: Target, document: dict[str, Any], *, mode: str, seconds: float) -> Judged:
    """Compare the JSON of one `diagnose network` with the fault."""
    port: dict[str, Any] = next((p for p in document.get("ports", []) if p.get("port") == target.port), {})
    cause = port.get("cause") or {}
    findings = port.get("findings") or []
    wanted = fault.object.format(**target.names())
    codes = (fault.code, *fault.also)
    verdict = port.get("verdict", "none")
    if fault.verdict == "lost":
        right_verdict = verdict == "lost"
        where = segment(port.get("lost_between"), ovn=OVN in fault.on)
        right_segment = right_verdict and where in fault.segments and port.get("direction") in (fault.direction, None)
        right_cause = right_verdict and cause.get("code") in codes and _same(wanted, cause)
        expected = f"{'|'.join(fault.segments)} {fault.direction} {fault.code} {wanted}"
        said = f"{where or port.get('lost_between')} {port.get('direction')}"
    else:
        noted = any(f.get("code") in codes and _same(wanted, f) for f in [cause, *findings])
        # "Works, but" is degraded or ok; what could not be looked at is unknown, and never lost. Where a packet of our own has
        # passed all the same it works, if what could not be looked at is told.
        passed = mode == "inject" and noted and verdict in ("ok", "degraded")
        right_verdict = verdict in ("ok", "degraded") if fault.verdict == "ok" else verdict == "unknown" or passed
        right_segment = right_verdict
        right_cause = right_verdict and (not fault.code or noted)
        expected = f"{fault.verdict}: {fault.code} {wanted}"
        said = ",".join(str(f.get("code")) for f in findings)
    return Judged(
        fault.name,
        mode,
        verdict,
        str(cause.get("hop") or ""),
        str(cause.get("code") or ""),
        f"{said} {cause.get('object') or ''}".strip(),
        expected.strip(),
        seconds,
        right_verdict,
        right_segment,
        right_cause,
    )


def _same(wanted: str, found: dict[str, Any]) -> bool:
    # A rule or a flow may be told with its table or its bridge around the name.
    told = " ".join(str(found.get(k) or "") for k in ("object", "message"))
    return not wanted or any(w in told for w in wanted.split("|"))


def table(rows: list[Judged]) -> str:
    """The matrix as text: a line a diagnosis, and the totals."""
    head = ("", "fault", "mode", "verdict", "hop", "cause", "said", "expected", "s")
    body = [
        (
            "ok" if r.right_segment and r.right_cause else "SEGMENT" if not r.right_segment else "CAUSE",
            r.fault,
            r.mode,
            r.verdict,
            r.hop,
            r.cause,
            r.said,
            r.expected,
            f"{r.seconds:.1f}",
        )
        for r in rows
    ]
    widths = [max(len(x[i]) for x in [head, *body]) for i in range(len(head))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(x, widths, strict=True)).rstrip() for x in [head, *body]]
    return "\n".join([*lines, "", *totals(rows)])


def totals(rows: list[Judged]) -> list[str]:
    """Shares and medians, each mode by itself."""
    lines = []
    for mode in sorted({r.mode for r in rows}):
        those = [r for r in rows if r.mode == mode]
        seconds = sorted(r.seconds for r in those)
        segment_share = sum(r.right_segment for r in those) / len(those)
        cause_share = sum(r.right_cause for r in those) / len(those)
        lines.append(
            f"{mode}: {len(those)} diagnoses, right segment {segment_share:.1%}, right cause {cause_share:.1%}, "
            f"median {seconds[len(seconds) // 2]:.1f} s, slowest {seconds[-1]:.1f} s"
        )
    return lines

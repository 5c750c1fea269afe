"""The domains of a hypervisor, all in one round trip: ``virsh domstats --state`` and ``virsh dumpxml`` of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree

__all__ = ["HypervisorDomain", "HypervisorDomains"]

_NOVA = {"nova": "http://openstack.org/xmlns/libvirt/nova/1.1"}
_STATES = {
    0: "none",
    1: "running",
    2: "blocked",
    3: "paused",
    4: "shutdown",
    5: "shutoff",
    6: "crashed",
    7: "suspended",
}
"""virDomainState."""
_PAUSED_BY_IO = 5
"""VIR_DOMAIN_PAUSED_IOERROR."""


@dataclass(frozen=True)
class HypervisorDomain:
    """A domain. `memory` in MiB; `disks` are RBD images (``POOL/IMAGE``) or paths; `taps` the host's ends of its network cards.

    `io_error`: it stands still because its storage failed. `server`: the name that Nova gave it, "" where Nova did not make it.
    """

    uuid: str
    name: str
    state: str = "running"
    vcpus: int = 1
    memory: int = 0
    disks: tuple[str, ...] = ()
    taps: tuple[str, ...] = ()
    io_error: bool = False
    nova: bool = True
    server: str = ""
    serials: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """QEMU has it in memory: it holds its disks."""
        return self.state in {"running", "blocked", "paused", "shutdown", "suspended"}

    @property
    def label(self) -> str:
        """Its name and uuid, for people."""
        return f"{self.server or self.name} ({self.uuid})"


@dataclass(frozen=True)
class HypervisorDomains:
    """All domains of one hypervisor, the stopped ones too; and what it says of its versions."""

    rows: tuple[HypervisorDomain, ...] = ()
    libvirt: str = ""
    qemu: str = ""
    secrets: tuple[str, ...] = field(default_factory=tuple)

    @cached_property
    def by_uuid(self) -> Mapping[str, HypervisorDomain]:
        """By uuid."""
        return {d.uuid: d for d in self.rows}

    @staticmethod
    def parse(states: str, xml: str, version: str, secrets: str = "") -> HypervisorDomains:
        """``virsh domstats --state``; the documents of ``virsh dumpxml`` one after another; ``virsh version``;
        ``virsh secret-list``."""
        known: dict[str, tuple[int, int]] = {}
        for block in re.split(r"^Domain: ", states, flags=re.M)[1:]:
            name = block.split("\n", 1)[0].strip().strip("'")
            state = re.search(r"state\.state=(\d+)", block)
            reason = re.search(r"state\.reason=(\d+)", block)
            known[name] = (int(state[1]) if state else 0, int(reason[1]) if reason else 0)
        rows = []
        for document in re.findall(r"<domain\b.*?</domain>", xml, re.S):
            try:
                root: Element = ElementTree.fromstring(document)
            except ParseError as e:
                raise ValueError(f"not the XML of a domain: {e}") from e
            rows.append(_domain(root, known))
        if len(rows) < len(known):
            raise ValueError(f"{len(known)} domains, but the XML of {len(rows)} only")
        libvirt = re.search(r"Using library: libvirt (\S+)", version)
        qemu = re.search(r"Running hypervisor: QEMU (\S+)", version)
        return HypervisorDomains(
            tuple(rows),
            libvirt[1] if libvirt else "",
            qemu[1] if qemu else "",
            tuple(re.findall(r"^\s*([0-9a-f]{8}-[0-9a-f-]{27})", secrets, re.M)),
        )


def _domain(root: Element, states: Mapping[str, tuple[int, int]]) -> HypervisorDomain:
    name = root.findtext("name", "").strip()
    # A domain that came between both commands is running, or its XML would not have been there.
    state, reason = states.get(name, (1, 0))
    nova = root.find("metadata/nova:instance", _NOVA)
    disks: list[str] = []
    serials: list[str] = []
    for disk in root.findall("devices/disk"):
        source = disk.find("source")
        if source is not None and disk.get("device", "disk") == "disk":
            disks.append(source.get("name") or source.get("file") or source.get("dev") or "")
            serials.append(disk.findtext("serial", "").strip())
    targets = [i.find("target") for i in root.findall("devices/interface")]
    memory = int(root.findtext("memory", "0") or 0)
    return HypervisorDomain(
        root.findtext("uuid", "").strip(),
        name,
        _STATES.get(state, "none"),
        int(root.findtext("vcpu", "1")),
        # libvirt always writes it in KiB.
        memory // 1024,
        tuple(disks),
        tuple(t.get("dev") or "" for t in targets if t is not None),
        state == 3 and reason == _PAUSED_BY_IO,
        nova is not None,
        (nova.findtext("nova:name", "", _NOVA) if nova is not None else "") or "",
        tuple(s for s in serials if s),
    )

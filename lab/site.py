"""What the lab is made of: folders, hosts, addresses, ports, passwords."""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATE = Path(os.environ.get("BW_LAB_STATE", "/var/lib/blue-wizard-lab"))
CACHE = Path(os.environ.get("BW_LAB_CACHE", "/var/cache/blue-wizard-lab"))
PREFIX = "bwl-"
"""Every namespace and link of ours begins with it, so that leftovers can be found without any record."""

OPERATOR = "10.99.0.1"
CONTROLLER = "10.99.0.10"
PORTS = {
    "keystone": 5000,
    "placement": 8778,
    "glance": 9292,
    "nova": 8774,
    "metadata": 8775,
    "neutron": 9696,
    "cinder": 8776,
}
TENANT_NETWORKS = {
    "lab": {"private": "10.1.0.0/24", "storage": "10.2.0.0/24", "legacy": "192.168.122.0/24",
            "legacy-backend": "192.168.150.0/24"},
    "cloud-b": {"old-private": "10.8.0.0/24"},
}  # fmt: skip
"""Name and range of each cloud's networks of tenants."""
PROVIDER_NETWORK = "provider-101"


@dataclass(frozen=True)
class Host:
    """A host of the lab. `firewall` is Neutron's driver there ("" where no agent runs)."""

    name: str
    number: int
    ovs: bool = False
    hypervisor: bool = False
    compute: bool = False
    osd: bool = False
    firewall: str = ""

    @property
    def address(self) -> str:
        """Its address on the management network."""
        return f"10.99.0.{self.number}"

    @property
    def underlay(self) -> str:
        """The end of its VXLAN tunnels."""
        return f"10.98.0.{self.number}"

    @property
    def netns(self) -> str:
        """The name of its network namespace."""
        return PREFIX + self.name

    @property
    def folder(self) -> Path:
        """What it keeps on disk."""
        return STATE / "hosts" / self.name


HOSTS = {
    h.name: h
    for h in (
        Host("ctl1", 10, osd=True),
        Host("net1", 11, ovs=True, osd=True, firewall="openvswitch"),
        Host("cmp1", 12, ovs=True, hypervisor=True, compute=True, osd=True, firewall="iptables_hybrid"),
        Host("cmp2", 13, ovs=True, hypervisor=True, compute=True, firewall="openvswitch"),
        Host("kvm1", 15, hypervisor=True),
    )
}


CLOUD_B_HOSTS = {h.name: h for h in (Host("ctl2", 40), Host("cmp3", 41, ovs=True, hypervisor=True, compute=True))}
"""The hosts of the extra part `cloud-b`; they are there only once it was added."""


@dataclass(frozen=True)
class Cloud:
    """A cloud of the lab. `suffix` is what tells its parts, pools and users of Ceph from the first cloud's ("")."""

    name: str
    controller: Host
    folder: Path
    suffix: str = ""
    ovn: bool = False

    @property
    def extra(self) -> str:
        """The extra part that brings it; "" for the first cloud."""
        return self.name if self.suffix else ""

    @property
    def hypervisors(self) -> list[Host]:
        """Its compute hosts."""
        return [h for h in (HOSTS if self == LAB else CLOUD_B_HOSTS).values() if h.compute]

    @property
    def etc(self) -> Path:
        """Where the configuration of its services lies."""
        return self.folder / "etc"

    def config(self, name: str, folder: str = "") -> Path:
        """Where the configuration made of the template `name` lies."""
        return self.etc / (folder or name.removesuffix(".conf")) / name


LAB = Cloud("lab", HOSTS["ctl1"], STATE)
CLOUD_B = Cloud("cloud-b", CLOUD_B_HOSTS["ctl2"], STATE / "cloud-b", "-b", ovn=True)
EVERY_HOST = {**HOSTS, **CLOUD_B_HOSTS}
CLOUDS = {c.name: c for c in (LAB, CLOUD_B)}


@lru_cache
def passwords() -> dict[str, str]:
    """Passwords made for this lab alone, kept in a file of mode 0600."""
    file = STATE / "passwords.json"
    if not file.exists():
        names = ("admin", "service", "database", "queue", "metadata", "demo")
        file.touch(mode=0o600)
        file.write_text(json.dumps({n: secrets.token_hex(12) for n in names}))
    found: dict[str, str] = json.loads(file.read_text())
    return found


def fill(template: str, *, cloud: Cloud = LAB, **more: object) -> str:
    """The template `lab/templates/NAME` for a cloud, ``{{NAME}}`` replaced; a line ``@@part user`` takes in the template `_part`.

    Raises KeyError for a name that has no value.
    """
    values: dict[str, object] = {
        "IP": cloud.controller.address,
        "STATE": cloud.folder,
        "LAB": STATE,
        "CLOUD": cloud.name,
        "SUFFIX": cloud.suffix,
        "PLUGINS": "ovn-router" if cloud.ovn else "router",
        **{f"PORT_{k.upper()}": v for k, v in PORTS.items()},
        **{f"PASSWORD_{k.upper()}": v for k, v in passwords().items()},
        **more,
    }
    folder = Path(__file__).parent / "templates"

    def part(m: re.Match[str]) -> str:
        return (folder / f"_{m[1]}").read_text().rstrip("\n").replace("{{USER}}", m[2] or "")

    text = re.sub(r"^@@(\w+)(?: (\w+))?$", part, (folder / template).read_text(), flags=re.M)
    return re.sub(r"\{\{([A-Z_]+)\}\}", lambda m: str(values[m[1]]), text)


def exports() -> dict[str, str]:
    """The environment in which the operator's tools find the lab's cloud."""
    return {
        "OS_CLIENT_CONFIG_FILE": str(STATE / "clouds.yaml"),
        "OS_CLOUD": "lab",
        "CEPH_CONF": str(STATE / "ceph" / "ceph.conf"),
        "BLUE_WIZARD_CONFIG": str(STATE / "blue-wizard.yaml"),
        # KVM may be there and not work, inside a virtual machine; libguestfs would wait for it.
        "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg",
    }

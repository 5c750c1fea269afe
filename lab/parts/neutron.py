"""Neutron's agents of the first cloud, on their hosts, and that each of its networks is served."""

from __future__ import annotations

from functools import partial

from lab.hosts import log_of, on, running, spawn
from lab.parts import part
from lab.parts.infra import sql
from lab.parts.openstack import seed
from lab.run import LabError, say, wait
from lab.site import HOSTS, LAB, PROVIDER_NETWORK, TENANT_NETWORKS, Host, fill

_FIRST_S = 40.0
AGENTS = {"dhcp": "neutron-dhcp-agent", "l3": "neutron-l3-agent", "metadata": "neutron-metadata-agent"}


def start(host: Host, kind: str) -> None:
    """Start an agent (`ovs`, or one of AGENTS) on a host; one that runs there is killed first."""
    file = LAB.etc / "neutron" / f"{host.name}.conf"
    if not file.exists():
        file.touch(mode=0o600)
    values = {"HOST": host.name, "UNDERLAY": host.underlay, "FIREWALL": host.firewall}
    file.write_text(fill("neutron-agent.conf", **values))
    (host.folder / "neutron" / "lock").mkdir(parents=True, exist_ok=True)
    binary = AGENTS.get(kind, "neutron-openvswitch-agent")
    spawn(host, f"neutron-{kind}", [binary, "--config-file", LAB.config("neutron.conf"), "--config-file", file])


def _agent_alive(host: Host, kind: str) -> bool:
    return running(host, f"neutron-{kind}") and seed(f"agent:{host.name}:{kind}") == "up\n"


def _unserved() -> list[str]:
    """The lab's networks that have no DHCP server with a device and a running dnsmasq."""
    ports = sql(
        "select n.name, n.id, p.id from neutron.networks n join neutron.ports p "
        "on p.network_id = n.id and p.device_owner = 'network:dhcp';"
    )
    folder = HOSTS["net1"].folder / "neutron" / "dhcp"
    script = "\n".join(
        f"ip -n qdhcp-{network} link show tap{port[:11]} > /dev/null 2>&1"
        f" && grep -qa dnsmasq /proc/$(cat {folder}/{network}/pid)/cmdline 2>/dev/null && echo {name}"
        for name, network, port in (line.split("\t") for line in ports.splitlines())
    )
    served = on(HOSTS["net1"], ["sh", "-c", f"{script}\ntrue"]).split()
    return [n for n in (*TENANT_NETWORKS[LAB.name], PROVIDER_NETWORK) if n not in served]


def _serve() -> None:
    """Wait for the DHCP agent, and start it anew where it hangs: two of its threads may block each other when it starts."""
    try:
        wait(lambda: not _unserved(), "a DHCP server on each network", timeout=_FIRST_S)
    except LabError:
        say(f"the DHCP agent does not serve {', '.join(_unserved())}: it is started anew")
        start(HOSTS["net1"], "dhcp")


for _h in HOSTS.values():
    if _h.ovs:
        part(
            f"neutron-ovs:{_h.name}",
            needs=(f"ovs:{_h.name}", "neutron"),
            start=partial(start, _h, "ovs"),
            alive=partial(_agent_alive, _h, "ovs"),
            log=log_of(_h, "neutron-ovs"),
        )
for _kind in AGENTS:
    # A DHCP agent that is up before its host's OVS agent gets ports that are never bound.
    part(
        f"neutron-{_kind}",
        needs=("neutron-ovs:net1",),
        start=partial(start, HOSTS["net1"], _kind),
        alive=partial(_agent_alive, HOSTS["net1"], _kind),
        log=log_of(HOSTS["net1"], f"neutron-{_kind}"),
    )
part(
    "dhcp",
    needs=("cloud",),
    start=_serve,
    alive=lambda: not _unserved(),
    waits_for="a DHCP server on each network",
    log=log_of(HOSTS["net1"], "neutron-dhcp"),
)

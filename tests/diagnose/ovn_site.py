"""A compute host of OVN in a namespace of the tests' own: Open vSwitch, both databases of OVN, ovn-northd and ovn-controller.

What Neutron's driver writes into the northbound database for a network with DHCP and one port is written here by `ovn-nbctl`; the
rest is OVN's own. The server's device is a veth end that is named like a tap.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blue_wizard.diagnose.bundle import Api
from blue_wizard.reach.ssh import Result
from tests.diagnose import wire

HOST, PORT, NETWORK = "cmp3", "5b2e8f10-6a3c-4d0e-9b1f-2f7c11aa9d01", "0d6b53b2-0f0c-4a78-a0f5-3d7f3f0a9a10"
TAP, MAC, ADDRESS, SERVER_MAC = f"tap{PORT[:11]}", "fa:16:3e:00:00:05", "10.7.0.5", "fa:16:3e:99:99:99"
META_PORT, META_MAC, META_ADDRESS = "77777777-6a3c-4d0e-9b1f-2f7c11aa9d02", "fa:16:3e:00:00:77", "10.7.0.2"
META, SPACE = f"tap{NETWORK[:10]}", f"ovnmeta-{NETWORK}"
NS = f"bwt-ovn{os.environ.get('PYTEST_XDIST_WORKER', '')}"
_UNDERLAY = "10.6.0.1"

_UP = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/openvswitch /run/ovn /run/netns /run/sshd
ip link set lo up
ip address add {underlay}/24 dev lo
cd {folder}
log() {{ echo --log-file={folder}/$1.log -vconsole:off --detach --no-chdir; }}
ovsdb-tool create conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-tool create nb.db /usr/share/ovn/ovn-nb.ovsschema
ovsdb-tool create sb.db /usr/share/ovn/ovn-sb.ovsschema
ovsdb-server {folder}/conf.db --remote=punix:/run/openvswitch/db.sock --pidfile=/run/openvswitch/ovsdb-server.pid $(log ovsdb)
ovs-vsctl --no-wait init
ovs-vswitchd unix:/run/openvswitch/db.sock --pidfile=/run/openvswitch/ovs-vswitchd.pid $(log vswitchd)
for d in nb:6641 sb:6642; do
    n=${{d%:*}}
    ovsdb-server {folder}/$n.db --remote=punix:/run/ovn/ovn${{n}}_db.sock --remote=ptcp:${{d#*:}}:{underlay} \\
        --pidfile=/run/ovn/ovn${{n}}_db.pid --unixctl=/run/ovn/ovn${{n}}_db.ctl $(log $n)
done
ovn-nbctl init; ovn-sbctl init
ovn-northd --ovnnb-db=unix:/run/ovn/ovnnb_db.sock --ovnsb-db=unix:/run/ovn/ovnsb_db.sock \\
    --pidfile=/run/ovn/ovn-northd.pid $(log northd)
ovs-vsctl set Open_vSwitch . external_ids:ovn-remote=tcp:{underlay}:6642 external_ids:ovn-encap-type=geneve \\
    external_ids:ovn-encap-ip={underlay} external_ids:system-id={host} external_ids:hostname={host}
ovs-vsctl add-br br-int -- set bridge br-int datapath_type=netdev fail_mode=secure
ip link add {tap} type veth peer name guest0
ip link set guest0 address {mac}
ip link set {tap} up
ip link set guest0 up
touch {folder}/ready
exec tini -s -- sleep infinity
"""
_RUNS = """
log() {{ echo --log-file={folder}/$1.log -vconsole:off --detach --no-chdir; }}
# It does not write again what somebody deleted: only a new one does.
pkill -9 -x ovn-controller
while pgrep -x ovn-controller > /dev/null; do sleep 0.02; done
ovn-controller unix:/run/openvswitch/db.sock --pidfile=/run/ovn/ovn-controller.pid $(log controller)
[ -S /run/ovn/ovnsb_db.sock ] || ovsdb-server {folder}/sb.db --remote=punix:/run/ovn/ovnsb_db.sock \\
    --remote=ptcp:6642:{underlay} --pidfile=/run/ovn/ovnsb_db.pid --unixctl=/run/ovn/ovnsb_db.ctl $(log sb)
ovs-vsctl set Open_vSwitch . external_ids:ovn-encap-ip={underlay}
ovn-sbctl --if-exists chassis-del cmp9
"""
_WIRED = """
set -e
for p in $(ip netns pids ovnmeta-{network} 2> /dev/null); do kill -9 $p; done
ip netns del ovnmeta-{network} 2> /dev/null || :
ip link del {meta}0 2> /dev/null || :
ovs-vsctl --if-exists del-port {meta}0
ovn-nbctl --if-exists ls-del neutron-{network}
ovn-nbctl --all destroy DHCP_Options
ovn-nbctl ls-add neutron-{network} -- lsp-add neutron-{network} {port} \\
    -- lsp-set-addresses {port} "{mac} {address}" -- lsp-set-port-security {port} "{mac} {address}"
d=$(ovn-nbctl create DHCP_Options cidr=10.7.0.0/24 \\
    options='"server_id"="10.7.0.1" "server_mac"="{server_mac}" "lease_time"="43200" "mtu"="1442" "router"="10.7.0.1"')
ovn-nbctl lsp-set-dhcpv4-options {port} $d
ovs-vsctl --if-exists del-port {tap} -- add-port br-int {tap} -- set Interface {tap} external_ids:iface-id={port} \\
    external_ids:attached-mac={mac}
ip link set {tap} up
ovn-nbctl --timeout=60 --wait=hv sync
ovn-nbctl --timeout=60 wait-until Logical_Switch_Port {port} up=true
"""


# As neutron-ovn-metadata-agent makes it (agent/ovn/metadata/agent.py and driver.py), behind the port that Neutron's driver makes.
_METADATA = """
set -e
ovn-nbctl lsp-add neutron-{network} {meta_port} -- lsp-set-type {meta_port} localport \\
    -- lsp-set-addresses {meta_port} "{meta_mac} {meta_address}"
ip netns add {space}
ip link add {meta}0 type veth peer name {meta}1 netns {space}
ip link set {meta}0 up
ip -n {space} link set {meta}1 address {meta_mac} up
ip -n {space} address add {meta_address}/24 dev {meta}1
ip -n {space} address add 169.254.169.254/32 dev {meta}1
ovs-vsctl add-port br-int {meta}0 -- set Interface {meta}0 external_ids:iface-id={meta_port}
mkdir -p {folder}/ovn-metadata-proxy
cat > {folder}/ovn-metadata-proxy/{network}.conf << END
global
    maxconn 64
    daemon
defaults
    mode http
    timeout connect 30s
    timeout client 32s
    timeout server 32s
listen listener
    bind 169.254.169.254:80
    server metadata {socket}
    http-request add-header X-OVN-Network-ID {network}
END
ip netns exec {space} haproxy -f {folder}/ovn-metadata-proxy/{network}.conf
setsid python3 {agent} {socket} < /dev/null > /dev/null 2>&1 &
while ! [ -S {socket} ]; do sleep 0.05; done
ovn-nbctl --timeout=60 --wait=hv sync
"""


@dataclass
class OvnSite:
    """The host. It stands for `reach.ssh.Host` where only commands are run."""

    folder: Path
    first: int

    @property
    def enter(self) -> list[str]:
        """The words before a command that runs there."""
        return ["nsenter", "-t", str(self.first), "-m", "-n", "-p", "--"]

    def send(self, frame: bytes, times: int = 1) -> None:
        """Let the guest send a frame."""
        argv = [*self.enter, sys.executable, wire.__file__, "send", "guest0", frame.hex(), str(times)]
        subprocess.run(argv, check=True, timeout=60)

    def on(self, script: str) -> str:
        """Run a shell script on it; its stdout."""
        result = self.run(["sh", "-c", script])
        assert result.status == 0, f"{script}: {result.stderr}"
        return result.stdout

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 60, **_options: object) -> Result:
        """As `reach.ssh.Host.run`."""
        done = subprocess.run([*self.enter, *argv], input=stdin, capture_output=True, text=True, timeout=timeout_s)
        return Result(done.returncode, done.stdout, done.stderr)

    def run_again(self) -> None:
        """Start what was ended, and the controller anew."""
        self.on(_RUNS.format(folder=self.folder, underlay=_UNDERLAY))

    def wire(self) -> None:
        """The network, the port, its device: as new, and all that the controller makes of it."""
        self.run_again()
        values = {
            "network": NETWORK,
            "port": PORT,
            "mac": MAC,
            "address": ADDRESS,
            "server_mac": SERVER_MAC,
            "tap": TAP,
            "meta": META,
        }
        self.on(_WIRED.format(**values))

    def serve_metadata(self) -> None:
        """The network's metadata port, its namespace, its proxy, and one that answers on the agent's socket."""
        values = {
            "network": NETWORK,
            "meta": META,
            "meta_port": META_PORT,
            "meta_mac": META_MAC,
            "meta_address": META_ADDRESS,
            "space": SPACE,
            "socket": self.socket,
            "folder": self.folder,
            "agent": wire.__file__.replace("wire.py", "metadata_agent.py"),
        }
        self.on(_METADATA.format(**values))

    @property
    def socket(self) -> Path:
        """Where the metadata agent waits."""
        return self.folder / "metadata_proxy"

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until it is so."""
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, what
            time.sleep(0.1)


def start(folder: Path) -> OvnSite:
    """Bring it up. `stop` ends it, also one of a process that was killed."""
    stop()
    subprocess.run(["ip", "netns", "add", NS], check=True)
    script = _UP.format(folder=folder, underlay=_UNDERLAY, host=HOST, tap=TAP, mac=MAC)
    argv = ["ip", "netns", "exec", NS, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
            "--propagation", "private", "sh", "-c", script]  # fmt: skip
    with (folder / "boot.log").open("wb") as log:
        holder = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    end = time.monotonic() + 60
    while not (folder / "ready").exists():
        assert holder.poll() is None, (folder / "boot.log").read_text()
        assert time.monotonic() < end, (folder / "boot.log").read_text()
        time.sleep(0.1)
    first = int(Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0])
    return OvnSite(folder, first)


def stop() -> None:
    """Leave nothing of it."""
    if not Path("/run/netns", NS).exists():
        return
    for pid in subprocess.run(["ip", "netns", "pids", NS], capture_output=True, text=True).stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", NS], check=False)


def api(*, to: str = "", protocol: str = "tcp", number: int = 80) -> Api:
    """What OpenStack says of a server with one port in OVN."""
    subnet = {"id": "sub1", "name": "ovn", "cidr": "10.7.0.0/24", "ip_version": 4, "enable_dhcp": True,
              "gateway_ip": "10.7.0.1"}  # fmt: skip
    port: dict[str, Any] = {
        "id": PORT, "network_id": NETWORK, "mac_address": MAC, "admin_state_up": True, "status": "ACTIVE",
        "fixed_ips": [{"subnet_id": "sub1", "ip_address": ADDRESS}], "binding:host_id": HOST,
        "binding:vif_type": "ovs", "binding:vnic_type": "normal", "port_security_enabled": True, "security_groups": [],
        "binding:vif_details": {"port_filter": True, "connectivity": "l2", "bound_drivers": {"0": "ovn"},
                                "bridge_name": "br-int", "datapath_type": "netdev"},
    }  # fmt: skip
    network = {"id": NETWORK, "name": "ovn", "admin_state_up": True, "provider:network_type": "geneve",
               "provider:segmentation_id": 1, "provider:physical_network": None, "mtu": 1442}  # fmt: skip
    server = {"id": "6c1f4b3e-91c6-4be0-8a8b-1a3c2f3f7a11", "name": "web", "status": "ACTIVE", "OS-EXT-STS:power_state": 1,
              "OS-EXT-SRV-ATTR:host": HOST}  # fmt: skip
    agent = {"host": HOST, "agent_type": "OVN Controller agent", "alive": True, "configurations": {},
             "heartbeat_timestamp": "2026-11-26 12:00:00"}  # fmt: skip
    made = Api(server, [port], {NETWORK: network}, {NETWORK: [subnet]}, {NETWORK: []}, {NETWORK: []}, [agent],
               {NETWORK: []}, {PORT: []})  # fmt: skip
    if to:
        rule = {"direction": "egress", "ethertype": "IPv4", "protocol": None, "port_range_min": None, "port_range_max": None,
                "remote_ip_prefix": None, "remote_group_id": None}  # fmt: skip
        port["security_groups"] = ["group"]
        distributed = {
            "id": META_PORT, "network_id": NETWORK, "mac_address": META_MAC, "admin_state_up": True, "status": "DOWN",
            "fixed_ips": [{"subnet_id": "sub1", "ip_address": META_ADDRESS}], "binding:host_id": "",
            "device_owner": "network:distributed", "device_id": SPACE,
        }  # fmt: skip
        made.aim = {
            "address": to, "protocol": protocol, "number": number, "router_ports": [], "holders": [], "floating": [],
            "distributed": [distributed], "routers": {}, "l3_agents": {},
            "groups": {"group": {"id": "group", "security_group_rules": [rule]}}, "networks": {}, "subnets": {NETWORK: [subnet]},
        }  # fmt: skip
        made.agents = [agent, {**agent, "agent_type": "OVN Metadata agent"}]
    return made

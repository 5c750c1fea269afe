"""Open vSwitch of one host: its own database and switch, in user space (this needs no kernel module)."""

from __future__ import annotations

from lab.hosts import enter, on, running, spawn
from lab.run import ok, wait
from lab.site import Host


def start(host: Host) -> None:
    """Database, switch, the underlay bridge with the tunnel's address, and the provider bridge."""
    db = host.folder / "ovs.db"
    if not db.exists():
        on(host, ["ovsdb-tool", "create", db, "/usr/share/openvswitch/vswitch.ovsschema"])
    if not running(host, "ovsdb"):
        spawn(host, "ovsdb", ["ovsdb-server", db, "--remote=punix:/run/openvswitch/db.sock",
                              "--pidfile=/run/openvswitch/ovsdb-server.pid", "--no-chdir"])  # fmt: skip
    wait(
        lambda: ok([*enter(host), "ovs-vsctl", "--timeout=3", "--no-wait", "init"]), f"ovsdb of {host.name}", timeout=30
    )
    on(host, ["ovs-vsctl", "--no-wait", "set", "Open_vSwitch", ".", f"external_ids:hostname={host.name}",
              f"external_ids:system-id={host.name}"])  # fmt: skip
    if not running(host, "vswitchd"):
        spawn(host, "vswitchd", ["ovs-vswitchd", "unix:/run/openvswitch/db.sock",
                                 "--pidfile=/run/openvswitch/ovs-vswitchd.pid", "--no-chdir"])  # fmt: skip
    mac = f"other_config:hwaddr=02:00:00:98:00:{host.number:02x}"
    netdev = "datapath_type=netdev"
    on(host, ["ovs-vsctl", "--timeout=60", "--may-exist", "add-br", "br-phy", "--", "set", "bridge", "br-phy", netdev,
              "fail_mode=standalone", mac, "--", "--may-exist", "add-port", "br-phy", "phy0"])  # fmt: skip
    on(host, ["ovs-vsctl", "--timeout=60", "--may-exist", "add-br", "br-ex", "--", "set", "bridge", "br-ex", netdev,
              "--", "--may-exist", "add-port", "br-ex", "ex0"])  # fmt: skip
    on(host, ["ip", "address", "replace", f"{host.underlay}/24", "dev", "br-phy"])
    on(host, ["sh", "-c", "for l in phy0 ex0 br-phy br-ex; do ip link set $l up; done; ip link set br-phy mtu 1600"])


def alive(host: Host) -> bool:
    """True when database and switch answer and the tunnel's address is up."""
    if not (running(host, "ovsdb") and running(host, "vswitchd")):
        return False
    return ok(
        [*enter(host), "sh", "-c", f"ovs-vsctl --timeout=5 br-exists br-ex && ip -o a | grep -q {host.underlay}/"]
    )

"""OVN of the extra part `cloud-b`: its databases and northd on the controller, ovn-controller and metadata agent on the compute."""

from __future__ import annotations

from functools import partial

from lab.hosts import enter, log_of, on, running, spawn
from lab.parts import part
from lab.parts.openstack import seed
from lab.run import ok, wait
from lab.site import CLOUD_B, Host, fill

CTL = CLOUD_B.controller
DATABASES = {"nb": 6641, "sb": 6642}


def _central() -> None:
    on(CTL, ["mkdir", "-p", "/run/ovn"])
    for name, port in DATABASES.items():
        file = CTL.folder / f"ovn{name}.db"
        if not file.exists():
            on(CTL, ["ovsdb-tool", "create", file, f"/usr/share/ovn/ovn-{name}.ovsschema"])
        remotes = [f"--remote=punix:/run/ovn/ovn{name}_db.sock", f"--remote=ptcp:{port}:0.0.0.0"]
        control = [f"--pidfile=/run/ovn/ovn{name}_db.pid", f"--unixctl=/run/ovn/ovn{name}_db.ctl"]
        spawn(CTL, f"ovn-{name}", ["ovsdb-server", file, *remotes, *control, "--no-chdir"])
        tool = [*enter(CTL), f"ovn-{name}ctl", "--timeout=3", "init"]
        wait(lambda command=tool: ok(command), f"OVN's {name} database", timeout=30, log=log_of(CTL, f"ovn-{name}"))
    sockets = [f"--ovn{n}-db=unix:/run/ovn/ovn{n}_db.sock" for n in DATABASES]
    spawn(CTL, "ovn-northd", ["ovn-northd", *sockets, "--pidfile=/run/ovn/ovn-northd.pid", "--no-chdir"])


def _central_alive() -> bool:
    daemons = all(running(CTL, f"ovn-{n}") for n in (*DATABASES, "northd"))
    return daemons and all(ok([*enter(CTL), f"ovn-{n}ctl", "--timeout=5", "show"]) for n in DATABASES)


def _controller(host: Host) -> None:
    on(host, ["mkdir", "-p", "/run/ovn"])
    values = {
        "ovn-remote": f"tcp:{CTL.address}:{DATABASES['sb']}",
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": host.underlay,
        "ovn-bridge-datapath-type": "netdev",
        "ovn-bridge-mappings": "physnet1:br-ex",
        "ovn-cms-options": "enable-chassis-as-gw",
        # On two slow cores an answer may take its time.
        "ovn-remote-probe-interval": "60000",
    }
    on(
        host,
        [
            "ovs-vsctl",
            "--timeout=60",
            "set",
            "Open_vSwitch",
            ".",
            *(f"external_ids:{k}={v}" for k, v in values.items()),
        ],
    )
    command = ["ovn-controller", "unix:/run/openvswitch/db.sock", "--pidfile=/run/ovn/ovn-controller.pid", "--no-chdir"]
    spawn(host, "ovn-controller", command)


def _controller_alive(host: Host) -> bool:
    if not running(host, "ovn-controller"):
        return False
    state = [*enter(host), "sh", "-c", "ovn-appctl -t ovn-controller connection-status | grep -qx connected"]
    return ok(state) and ok([*enter(host), "ovs-vsctl", "--timeout=5", "br-exists", "br-int"])


def _metadata(host: Host) -> None:
    file = CLOUD_B.etc / "neutron" / f"{host.name}-metadata.conf"
    file.touch(mode=0o600)
    file.write_text(fill("ovn-metadata-agent.conf", cloud=CLOUD_B, HOST=host.name))
    (host.folder / "neutron" / "lock").mkdir(parents=True, exist_ok=True)
    files = ["--config-file", CLOUD_B.config("neutron.conf"), "--config-file", file]
    spawn(host, "ovn-metadata", ["neutron-ovn-metadata-agent", *files])


def _metadata_alive(host: Host) -> bool:
    return running(host, "ovn-metadata") and seed(f"agent:{host.name}:ovn-metadata", CLOUD_B) == "up\n"


part(
    f"ovn{CLOUD_B.suffix}",
    needs=(f"host:{CTL.name}",),
    start=_central,
    alive=_central_alive,
    log=log_of(CTL, "ovn-northd"),
    of=CLOUD_B.extra,
)
for _h in CLOUD_B.hypervisors:
    part(
        f"ovn-controller:{_h.name}",
        needs=(f"ovn{CLOUD_B.suffix}", f"ovs:{_h.name}"),
        start=partial(_controller, _h),
        alive=partial(_controller_alive, _h),
        log=log_of(_h, "ovn-controller"),
        of=CLOUD_B.extra,
    )
    part(
        f"ovn-metadata:{_h.name}",
        needs=(f"ovn-controller:{_h.name}", f"neutron{CLOUD_B.suffix}"),
        start=partial(_metadata, _h),
        alive=partial(_metadata_alive, _h),
        log=log_of(_h, "ovn-metadata"),
        of=CLOUD_B.extra,
    )

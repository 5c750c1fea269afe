"""Bridges, hosts, sshd and Open vSwitch."""

from __future__ import annotations

from functools import partial

from lab import hosts, ovs
from lab.hosts import enter, first_process, log_of, running, spawn
from lab.parts import part
from lab.run import ok, run
from lab.site import CLOUD_B, CLOUD_B_HOSTS, EVERY_HOST, STATE, Host, fill


def _key() -> None:
    folder = STATE / "ssh"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "id_ed25519").exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", folder / "id_ed25519"])
    lines = []
    for h in EVERY_HOST.values():
        h.folder.mkdir(parents=True, exist_ok=True)
        key = h.folder / "ssh_host_ed25519_key"
        if not key.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", h.name, "-f", key])
        public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
        lines.append(f"{h.name},{h.address} {public}\n")
    (folder / "known_hosts").write_text("".join(lines))
    entries = "".join(f"Host {h.name}\n  HostName {h.address}\n" for h in EVERY_HOST.values())
    common = f"Host *\n  User root\n  IdentityFile {folder}/id_ed25519\n  UserKnownHostsFile {folder}/known_hosts\n"
    (folder / "config").write_text(entries + common)


def _sshd(host: Host) -> None:
    config = host.folder / "sshd_config"
    config.write_text(fill("sshd_config", HOST=host.name, ADDRESS=host.address))
    spawn(host, "sshd", ["/usr/sbin/sshd", "-D", "-e", "-f", config])


def _answers(host: Host) -> bool:
    command = [
        "ssh",
        "-F",
        STATE / "ssh" / "config",
        "-o",
        "BatchMode=yes",
        "-o",
        "ConnectTimeout=3",
        host.name,
        "true",
    ]
    return running(host, "sshd") and ok(command)


part("bridges", start=hosts.make_bridges, alive=hosts.bridges_exist)
part("ssh-keys", start=_key, alive=lambda: (STATE / "ssh" / "config").exists())
for _h in EVERY_HOST.values():
    _of = CLOUD_B.extra if _h.name in CLOUD_B_HOSTS else ""
    part(
        f"host:{_h.name}",
        needs=("bridges",),
        start=partial(hosts.create, _h),
        alive=lambda h=_h: first_process(h) is not None and ok([*enter(h), "true"]),
        of=_of,
    )
    part(
        f"sshd:{_h.name}",
        needs=(f"host:{_h.name}", "ssh-keys"),
        start=partial(_sshd, _h),
        alive=partial(_answers, _h),
        log=log_of(_h, "sshd"),
        of=_of,
    )
    if _h.ovs:
        part(
            f"ovs:{_h.name}",
            needs=(f"host:{_h.name}",),
            start=partial(ovs.start, _h),
            alive=partial(ovs.alive, _h),
            log=log_of(_h, "vswitchd"),
            of=_of,
        )

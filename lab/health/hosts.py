"""Hosts: filesystems, clocks, certificates, secrets, processes, containers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lab.faults import Change
from lab.faults.changes import stopped
from lab.health import planting
from lab.health.changes import looped, mounted, process
from lab.health.ground import Ground


@planting("disk-full", check="host.disk-full", object="/run/lab/full", severity="critical")
def _(_: Ground) -> list[Change]:
    return [looped("cmp1", "full", "mkfs.ext4 -q -m 0", "dd if=/dev/zero of=fill bs=64k 2>/dev/null || true")]


@planting("no-inodes", check="host.inodes", object="/run/lab/inodes", severity="critical")
def _(_: Ground) -> list[Change]:
    fill = "n=0\nwhile touch f$n 2>/dev/null; do n=$((n + 1)); done"
    return [looped("net1", "inodes", "mkfs.ext4 -q -N 64", fill)]


@planting("disk-read-only", check="host.read-only", object="/run/lab/frozen", severity="critical")
def _(_: Ground) -> list[Change]:
    table = "/run/lab/fstab.health"
    do = f"echo '/dev/bw /run/lab/frozen ext4 defaults,rw 0 2' | cat /etc/fstab - > {table}\nmount --bind {table} /etc/fstab"
    undo = f"! grep -q ' /etc/fstab ' /proc/mounts || umount -l /etc/fstab\nrm -f {table}"
    return [looped("net1", "frozen", "mkfs.ext4 -q", ":", ",ro"), Change("net1", do, undo)]


@planting("secret-for-all", check="host.exposed-secrets", object="/etc/ceph/ceph.client.bw-health.keyring")
def _(_: Ground) -> list[Change]:
    make = (
        "echo '[client.bw-health]' > $new/ceph.client.bw-health.keyring\nchmod 644 $new/ceph.client.bw-health.keyring"
    )
    return [mounted("cmp1", "/etc/ceph", make)]


def certificate(days: int) -> str:
    """A certificate that ends in so many days (PEM)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rabbit.example")])
    end = datetime.now(UTC) + timedelta(days=days)
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), end - timedelta(days=400), end
    )
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _certificate(days: int) -> Change:
    # At no usual place: it is found because the service's configuration names it.
    make = (
        "mkdir $new/tls\necho 'ssl_options.certfile = /etc/rabbitmq/tls/broker.cert' > $new/rabbitmq.conf\n"
        f"cat > $new/tls/broker.cert <<'PEM'\n{certificate(days)}PEM"
    )
    return mounted("ctl1", "/etc/rabbitmq", make)


@planting("certificate-expired", check="cert.file-expiry", object="/etc/rabbitmq/tls/broker.cert", severity="critical")
def _(_: Ground) -> list[Change]:
    return [_certificate(-1)]


@planting("certificate-ends", check="cert.file-expiry", object="/etc/rabbitmq/tls/broker.cert")
def _(_: Ground) -> list[Change]:
    return [_certificate(20)]


@planting(
    "clock-skew",
    check="host.clock-skew",
    object="clock",
    severity="critical",
    note="a namespace has no wall clock of its own: the host's Python is given one that is ten minutes ahead",
)
def _(_: Ground) -> list[Change]:
    real, wrong = "/run/lab/python3.11", "/run/lab/python3.wrong"
    # What asks the host for its facts runs `python3 -I -c SCRIPT`; all else gets the real one.
    ahead = "import time as _t; _r = _t.time; _t.time = lambda: _r() + 600"
    do = f"""cp -a /usr/bin/python3.11 {real}
cat > {wrong} <<'SH'
#!/bin/sh
[ "$1 $2" = "-I -c" ] || exec {real} "$@"
shift 2
script=$1
shift
exec {real} -I -c "{ahead}
$script" "$@"
SH
chmod 755 {wrong}
mount --bind {wrong} /usr/bin/python3.11"""
    undo = f"! grep -q ' /usr/bin/python3.11 ' /proc/mounts || umount -l /usr/bin/python3.11\nrm -f {real} {wrong}"
    return [Change("kvm1", do, undo)]


@planting(
    "restart-loop",
    check="host.containers",
    object="nova_compute",
    note="no container can run here: a podman of ours tells of one",
)
def _(_: Ground) -> list[Change]:
    make = (
        "cat > $new/podman <<'SH'\n#!/bin/sh\n[ \"$1\" = ps ] || exit 1\n"
        "printf 'nova_compute\\trestarting\\tRestarting (1) 3 seconds ago\\n'\nSH\nchmod 755 $new/podman"
    )
    return [mounted("cmp2", "/usr/local/sbin", make)]


@planting("reboot-wanted", check="host.reboot-wanted", object="reboot", severity="info")
def _(_: Ground) -> list[Change]:
    return [Change("cmp2", "touch /run/reboot-required", "rm -f /run/reboot-required")]


@planting(
    "stuck-processes", check="host.stuck-processes", object="state D", note="whoever has called vfork waits in state D"
)
def _(_: Ground) -> list[Change]:
    one = "import ctypes, os; c = ctypes.CDLL(None); c.vfork() or c.pause()"
    return [
        process(
            "cmp1",
            f"bw-stuck{n}",
            f'/usr/bin/python3 -c "{one}"',
            "" if n < 5 else "[ $(ps -eo state= | grep -c D) -ge 5 ]",
        )
        for n in range(6)
    ]


@planting("host-unreachable", check="host.unreachable", object="kvm1", severity="critical")
def _(_: Ground) -> list[Change]:
    return [stopped("kvm1", "sshd")]

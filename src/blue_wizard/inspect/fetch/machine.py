"""From the hosts themselves: what is asked there, in one round trip each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from blue_wizard.facts import machine
from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.facts.machine import (
    Cards,
    Clock,
    Filesystems,
    KernelLimits,
    KernelLog,
    Listeners,
    Load,
    Memory,
    Processes,
    RaidArrays,
    System,
    Units,
)
from blue_wizard.facts.mariadb import DatabaseServer
from blue_wizard.facts.memcached import Memcached
from blue_wizard.facts.probe import Command, Files, Reading
from blue_wizard.facts.rabbitmq import RabbitNode, RabbitQueues, RabbitUse
from blue_wizard.inspect.facts import host_fact

__all__ = ["Certificates", "Containers", "ExposedFiles", "LibvirtAnswer", "Namespaces"]

Readings = Mapping[str, Reading]
_DAY_S = 86400.0
_PATIENT_S = 20.0
"""For what starts a virtual machine of its own (Erlang's), or tells many things; the script as a whole is ended in time
anyhow."""
_NOT_HERE = 3
"""What our own small scripts end with where the thing that they look at is not on this host."""


def _text(reading: Reading) -> str:
    """The stdout of a command that has to work. Raises ValueError."""
    if reading.absent or reading.status != 0:
        raise ValueError(reading.error.strip() or f"exit status {reading.status}")
    return reading.text


def _one(reading: Reading) -> str:
    return next(iter(reading.files.values()), "")


host_fact(Clock, lambda r: Clock.parse(r["clock"].text))

host_fact(
    Filesystems,
    lambda r: Filesystems.parse(
        # df complains by its status of any mount that it may not look at, and still tells the others.
        r["blocks"].text or _text(r["blocks"]),
        r["inodes"].text,
        r["files"].files.get("/proc/mounts", ""),
        r["files"].files.get("/etc/fstab", ""),
    ),
    blocks=Command(("df", "-PTkl")),
    inodes=Command(("df", "-Pil")),
    files=Files(("/proc/mounts", "/etc/fstab")),
)

host_fact(
    Memory,
    lambda r: Memory.parse(r["files"].files["/proc/meminfo"], r["files"].files.get("/proc/vmstat", "")),
    files=Files(("/proc/meminfo", "/proc/vmstat")),
)

host_fact(
    Load,
    lambda r: Load.parse(
        r["files"].files["/proc/loadavg"],
        r["files"].files["/proc/cpuinfo"],
        {path: text for path, text in r["files"].files.items() if path.startswith("/proc/pressure/")},
    ),
    files=Files(("/proc/loadavg", "/proc/cpuinfo", "/proc/pressure/*"), limit=1 << 20),
)

host_fact(
    KernelLimits,
    lambda r: KernelLimits.parse(r["files"].files, r["files"].files["/proc/loadavg"], r["neighbours"].text),
    files=Files(
        (
            "/proc/loadavg",
            "/proc/sys/net/netfilter/nf_conntrack_count",
            "/proc/sys/net/netfilter/nf_conntrack_max",
            "/proc/sys/fs/file-nr",
            "/proc/sys/kernel/threads-max",
            "/proc/sys/kernel/pid_max",
            "/proc/sys/net/ipv4/neigh/default/gc_thresh3",
        )
    ),
    neighbours=Command(("sh", "-c", "ip -4 neigh show nud all | wc -l")),
)

host_fact(
    Cards,
    lambda r: Cards.parse(r["sys"].files, r["hardware"].text, r["bonding"].files),
    sys=Files(
        (
            *(f"/sys/class/net/*/{name}" for name in ("mtu", "flags", "carrier", "speed", "duplex")),
            *(
                f"/sys/class/net/*/statistics/{name}"
                for name in ("rx_errors", "tx_errors", "rx_dropped", "tx_dropped", "rx_packets", "tx_packets")
            ),
        ),
        limit=64,
    ),
    hardware=Command(
        ("sh", "-c", 'for d in /sys/class/net/*/device; do [ -e "$d" ] && basename "${d%/device}"; done; :')
    ),
    bonding=Files(("/proc/net/bonding/*",)),
)

host_fact(
    Processes, lambda r: Processes.parse(_text(r["ps"])), ps=Command(("ps", "-eo", "pid=,state=,etimes=,rss=,args="))
)


def _units(r: Readings) -> Units | None:
    if r["systemd"].absent or "not been booted with systemd" in r["systemd"].error:
        return None
    return Units.parse(_text(r["systemd"]))


host_fact(
    Units, _units, systemd=Command(("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager"))
)

_SYSTEM = ("/etc/os-release", "/proc/sys/kernel/osrelease", "/proc/uptime", "/proc/sys/kernel/random/boot_id",
           "/proc/sys/kernel/hostname", "/proc/cpuinfo", "/run/reboot-required", "/var/run/reboot-required")  # fmt: skip

host_fact(System, lambda r: System.parse(r["files"].files), files=Files(_SYSTEM, limit=16384))


def _log(r: Readings) -> KernelLog:
    return KernelLog.parse(_text(r["dmesg"]), float(_one(r["uptime"]).split()[0]), _DAY_S)


host_fact(
    KernelLog,
    _log,
    dmesg=Command(("dmesg", "--level=emerg,alert,crit,err,warn")),
    uptime=Files(("/proc/uptime",)),
)

host_fact(Listeners, lambda r: Listeners.parse(_text(r["ss"])), ss=Command(("ss", "-lntupH")))


def _raid(r: Readings) -> RaidArrays | None:
    text = _one(r["mdstat"])
    return RaidArrays.parse(text) if re.search(r"^md", text, re.M) else None


host_fact(RaidArrays, _raid, mdstat=Files(("/proc/mdstat",)))


_DOMAINS = (
    "command -v virsh >/dev/null || exit 3; "
    "ids=$(virsh -q list --all --uuid) || exit 1; "
    'set --; for i in $ids; do set -- "$@" "dumpxml $i;"; done; '
    '[ $# -eq 0 ] || virsh -q "$*"'
)


# From its beginning, and not anywhere in it: whoever reads the log of nova-compute on a controller makes no hypervisor of it.
DRIVES_GUESTS = r"^[^ ]*(qemu-system-[^ ]*|qemu-kvm)( |$)|^([^ ]*python[^ ]* )?[^ ]*nova-compute( |$)"
"""The command line of a guest or of a compute service, as an extended regular expression: there should be a libvirt."""
_DRIVEN = Command(("sh", "-c", f"pgrep -x libvirtd || pgrep -x virtqemud || pgrep -f '{DRIVES_GUESTS}'"))


def _domains(r: Readings) -> HypervisorDomains | None:
    # A host may have virsh and be no hypervisor. Where it is one, what virsh can't tell is missing, and never no domains.
    if r["xml"].status != 0 and r["driven"].status != 0:
        return None
    return HypervisorDomains.parse(_text(r["states"]), _text(r["xml"]), _text(r["version"]), r["secrets"].text)


host_fact(
    HypervisorDomains,
    _domains,
    states=Command(("virsh", "domstats", "--state"), _PATIENT_S, within=True),
    xml=Command(("sh", "-c", _DOMAINS), _PATIENT_S, within=True),
    version=Command(("virsh", "version"), within=True),
    secrets=Command(("virsh", "secret-list"), within=True),
    driven=_DRIVEN,
)

# The node's name and the folder of its cookie are those of the process that runs; in a container its own tool knows them.
_RABBIT = r"""
pid=$(pgrep -o -f 'beam\.smp.*rabbit') || exit 3
for c in docker podman; do
  command -v $c >/dev/null && $c inspect rabbitmq >/dev/null 2>&1 && box=$c && break
done
if [ -n "$box" ]; then ctl() { $box exec rabbitmq rabbitmqctl -q "$@"; }
else
  get() { tr '\0' '\n' < /proc/$pid/environ | sed -n "s/^$1=//p" | tail -1; }
  HOME=$(get HOME); export HOME
  node=$(get RABBITMQ_NODENAME); tool=/usr/lib/rabbitmq/bin/rabbitmqctl; [ -x $tool ] || tool=rabbitmqctl
  ctl() { $tool -q -n "${node:-rabbit@$(hostname -s)}" "$@"; }
fi
case $1 in
  queues) for v in $(ctl list_vhosts name --no-table-headers); do echo "vhost $v"
    ctl list_queues -p "$v" name type messages_ready messages_unacknowledged consumers state --formatter json || exit 1
  done;;
  *) ctl "$1" --formatter json;;
esac
"""


host_fact(
    RabbitNode,
    lambda r: None if r["cluster"].status == _NOT_HERE else RabbitNode.parse(_text(r["cluster"])),
    cluster=Command(("sh", "-c", _RABBIT, "rabbit", "cluster_status"), _PATIENT_S),
)

host_fact(
    RabbitQueues,
    lambda r: None if r["queues"].status == _NOT_HERE else RabbitQueues.parse(_text(r["queues"])),
    queues=Command(("sh", "-c", _RABBIT, "rabbit", "queues"), _PATIENT_S),
)

host_fact(
    RabbitUse,
    lambda r: None if r["status"].status == _NOT_HERE else RabbitUse.parse(_text(r["status"])),
    status=Command(("sh", "-c", _RABBIT, "rabbit", "status"), _PATIENT_S),
)

_SQL = (
    "select 'status',variable_name,variable_value from information_schema.global_status; "
    "select 'variable',variable_name,variable_value from information_schema.global_variables where variable_name in "
    "('wsrep_on','max_connections','open_files_limit','version','datadir','wsrep_cluster_name','read_only'); "
    "select 'transaction',trx_mysql_thread_id,timestampdiff(second,trx_started,now()) from information_schema.innodb_trx "
    "where trx_started < now() - interval 60 second;"
)
# Whoever logs in as root is the database's root by its socket; a password would have to come from a file there.
_MARIADB = r"""
pid=$(pgrep -o -x 'mariadbd|mysqld') || exit 3
for c in docker podman; do
  command -v $c >/dev/null && $c inspect mariadb >/dev/null 2>&1 && exec $c exec mariadb mariadb -N -B -e "$1"
done
sock=$(tr '\0' '\n' < /proc/$pid/cmdline | sed -n 's/^--socket=//p' | tail -1)
tool=$(command -v mariadb || command -v mysql) || exit 1
exec $tool ${sock:+-S "$sock"} -N -B -e "$1"
"""


def _mariadb(r: Readings) -> DatabaseServer | None:
    return None if r["sql"].status == _NOT_HERE else DatabaseServer.parse(_text(r["sql"]))


host_fact(DatabaseServer, _mariadb, sql=Command(("sh", "-c", _MARIADB, "mariadb", _SQL)))

_MEMCACHED = r"""
at=$(ss -lntH 'sport = :11211' | awk 'NR==1 {print $4}')
[ -n "$at" ] || exit 3
host=${at%:*}; case $host in 0.0.0.0|'*'|'[::]') host=127.0.0.1;; esac
exec 3<>"/dev/tcp/$host/11211" || exit 1
printf 'stats\r\nquit\r\n' >&3
cat <&3
"""


def _memcached(r: Readings) -> Memcached | None:
    return None if r["stats"].status == _NOT_HERE else Memcached.parse(_text(r["stats"]))


host_fact(Memcached, _memcached, stats=Command(("bash", "-c", _MEMCACHED)))


@dataclass(frozen=True)
class Namespaces:
    """The named network namespaces of a host."""

    names: tuple[str, ...] = ()


host_fact(
    Namespaces,
    lambda r: Namespaces(tuple(r["ls"].text.split())),
    ls=Command(("sh", "-c", "ls -1 /run/netns 2>/dev/null; :")),
)


@dataclass(frozen=True)
class ExposedFiles:
    """Files with secrets that every user of the host may read, as (path, mode)."""

    rows: tuple[tuple[str, str], ...] = ()


_SECRETS = ("/etc/kolla/passwords.yml /etc/kolla/admin-openrc.sh /etc/openstack/clouds.yaml /root/.config/openstack/clouds.yaml "
            "/etc/ceph/*.keyring /etc/kolla/*/*.conf /etc/nova/nova.conf /etc/cinder/cinder.conf /etc/neutron/neutron.conf "
            "/etc/glance/glance-api.conf /etc/keystone/keystone.conf /etc/pki/libvirt/private/* /etc/rabbitmq/*.key "
            "/etc/ssl/private/*.key")  # fmt: skip

host_fact(
    ExposedFiles,
    lambda r: ExposedFiles(machine.exposed_files(r["stat"].text)),
    # A folder that others may not enter protects what is in it, whatever its own mode.
    stat=Command(
        (
            "sh",
            "-c",
            f'for f in {_SECRETS}; do [ -f "$f" ] || continue; d=$(dirname "$f"); '
            'case $(stat -c %a "$d") in *[1357]) stat -L -c "%a %n" "$f";; esac; done; :',
        )
    ),
)


@dataclass(frozen=True)
class Certificates:
    """Certificates in files of the host, as (path, subject, end of validity in Unix seconds)."""

    rows: tuple[tuple[str, str, float], ...] = ()

    @staticmethod
    def parse(text: str) -> Certificates:
        """Blocks of ``file PATH``, then ``subject=...`` and ``notAfter=...`` of ``openssl x509``."""
        rows = []
        for block in re.split(r"^file ", text, flags=re.M)[1:]:
            end = re.search(r"^notAfter=(.*)$", block, re.M)
            subject = re.search(r"^subject=\s*(.*)$", block, re.M)
            if end:
                made = datetime.strptime(end[1].strip(), "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
                rows.append((block.split("\n", 1)[0], subject[1] if subject else "", made.timestamp()))
        return Certificates(tuple(rows))


_PLACES = ("/etc/pki/libvirt/*.pem /etc/pki/CA/cacert.pem /etc/pki/qemu/*.pem /etc/kolla/certificates/*.pem "
           "/etc/kolla/certificates/*/*.pem /etc/kolla/certificates/*/*.crt /etc/kolla/haproxy/*.pem /etc/haproxy/*.pem "
           "/etc/haproxy/certs/*.pem /etc/rabbitmq/*.pem /etc/rabbitmq/*.crt /etc/octavia/certs/*.pem "
           "/etc/neutron/*.pem /etc/openvswitch/*-cert.pem /etc/ovn/*-cert.pem /etc/ceph/*.crt /etc/etcd/*.crt "
           "/etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt /var/lib/kubelet/pki/kubelet*.crt "
           "/etc/ssl/openstack/*.pem /etc/ssl/openstack/*.crt")  # fmt: skip

# Services name theirs in their configuration, wherever they lie.
_NAMING = ("/etc/rabbitmq/*.conf /etc/libvirt/*.conf /etc/haproxy/*.cfg /etc/kolla/haproxy/*.cfg /etc/kolla/haproxy/*/*.cfg "
           "/etc/mysql/*.cnf /etc/mysql/*/*.cnf /etc/nginx/*/* /etc/apache2/sites-enabled/* /etc/httpd/conf.d/* "
           "/etc/keystone/*.conf /etc/nova/*.conf /etc/neutron/*.conf /etc/cinder/*.conf /etc/glance/*.conf "
           "/etc/octavia/*.conf")  # fmt: skip
_NAMED = (
    f"cat {_NAMING} 2>/dev/null | grep -v '^[[:space:]]*[#;]' | "
    "grep -oE '/[A-Za-z0-9_./-]+[.](pem|crt|cert)([^A-Za-z0-9_./-]|$)' | sed 's/[^A-Za-z0-9_./-]$//' | "
    # The system's own authorities end when they end.
    "grep -v -E '^/etc/(ssl/certs|pki/tls/certs|pki/ca-trust)/'"
)

host_fact(
    Certificates,
    lambda r: None if r["openssl"].status == _NOT_HERE else Certificates.parse(_text(r["openssl"])),
    # Only what a certificate says of itself leaves the host: a file may hold its key too.
    openssl=Command(
        (
            "sh",
            "-c",
            f"command -v openssl >/dev/null || exit 3; for f in $({{ ls -d {_PLACES} 2>/dev/null; {_NAMED}; }} | sort -u); do "
            '[ -f "$f" ] || continue; '
            'echo "file $f"; openssl x509 -noout -subject -enddate -in "$f" 2>/dev/null; done; :',
        )
    ),
)


@dataclass(frozen=True)
class Containers:
    """Containers of a host, as (name, state, status text)."""

    rows: tuple[tuple[str, str, str], ...] = ()

    @staticmethod
    def parse(text: str) -> Containers:
        """``docker ps -a --format '{{.Names}}\\t{{.State}}\\t{{.Status}}'``, podman's alike."""
        rows = [line.split("\t") for line in text.splitlines()]
        return Containers(tuple((w[0], w[1].lower(), w[2]) for w in rows if len(w) == 3))


def _containers(r: Readings) -> Containers | None:
    return None if r["ps"].status == _NOT_HERE else Containers.parse(_text(r["ps"]))


host_fact(
    Containers,
    _containers,
    ps=Command(
        (
            "sh",
            "-c",
            "pgrep -x dockerd >/dev/null && c=docker; command -v podman >/dev/null && c=${c:-podman}; "
            '[ -n "$c" ] && '
            "exec $c ps -a --format '{{.Names}}\\t{{.State}}\\t{{.Status}}'; exit 3",
        )
    ),
)


@dataclass(frozen=True)
class LibvirtAnswer:
    """Whether libvirt answers on a host that has it; `error` is what it said, or that it said nothing."""

    answers: bool
    error: str = ""


def _libvirt(r: Readings) -> LibvirtAnswer | None:
    runs = r["daemon"].status == 0
    version = r["version"]
    if not runs or version.absent:
        return None
    if version.late:
        return LibvirtAnswer(False, "virsh version --daemon: no answer")
    return LibvirtAnswer(version.status == 0, version.error.strip()[:300])


host_fact(
    LibvirtAnswer,
    _libvirt,
    patient=True,
    daemon=_DRIVEN,
    version=Command(("virsh", "version", "--daemon"), within=True),
)

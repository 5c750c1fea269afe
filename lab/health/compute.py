"""Nova and libvirt: servers and domains that do not fit together, states that do not end, services that do not report."""

from __future__ import annotations

from lab.faults import Change
from lab.faults.changes import calls, stopped
from lab.health import planting
from lab.health.changes import ago, answered, cells, inserted, process
from lab.health.ground import COMPUTES, Ground
from lab.parts.openstack import SECRET

SERVER = ("server", "host")
_NOVA = '<metadata><n:instance xmlns:n="http://openstack.org/xmlns/libvirt/nova/1.1"><n:name>gone</n:name></n:instance></metadata>'


def _domain(uuid: str, name: str, inside: str = "", devices: str = "") -> str:
    return (
        f"<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>{inside}<memory unit='MiB'>32</memory>"
        f"<vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os><devices>{devices}</devices></domain>"
    )


def _rbd(pool: str, image: str) -> str:
    return (
        f"<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='rbd' name='{pool}/{image}'>"
        "<host name='10.99.0.10' port='6789'/></source><target dev='vda' bus='virtio'/></disk>"
    )


def _defined(host: str, name: str, xml: str) -> Change:
    do = f"cat > /run/lab/{name}.xml <<'XML'\n{xml}\nXML\nvirsh -q define /run/lab/{name}.xml"
    return Change(host, do, _if_there(name, "undefine"))


def _if_there(name: str, verb: str) -> str:
    return f"! virsh -q dominfo {name} >/dev/null 2>&1 || virsh -q {verb} {name}\nrm -f /run/lab/{name}.xml"


def _started(host: str, name: str, xml: str) -> Change:
    do = f"cat > /run/lab/{name}.xml <<'XML'\n{xml}\nXML\nvirsh -q create --paused /run/lab/{name}.xml"
    return Change(host, do, _if_there(name, "destroy"))


def _instance(g: Ground, **values: str) -> Change:
    return cells(g, "nova.instances", f"uuid='{g['server']}' and deleted=0", **values)


def _held(g: Ground) -> list[Change]:
    # Both would mend it, or be led astray by it.
    return [stopped(host, "nova-compute") for host in (g["host"], g["other"])]


@planting("ghost-domain", check="cross.orphan-domain", object="{id}")
def _(g: Ground) -> list[Change]:
    return [_defined("cmp1", "bw-health", _domain(g.id, "bw-health", _NOVA))]


@planting("disk-missing", check="cross.disk-missing", object="{id}:volumes/volume-{id}", severity="critical")
def _(g: Ground) -> list[Change]:
    return [_defined("cmp1", "bw-health", _domain(g.id, "bw-health", devices=_rbd("volumes", f"volume-{g.id}")))]


@planting(
    "server-twice",
    check="cross.server-twice",
    object="{server}",
    severity="critical",
    needs=SERVER,
    note="a paused domain of the same uuid, without a disk: two that write to one would destroy it",
)
def _(g: Ground) -> list[Change]:
    return [_started(g["other"], "bw-twin", _domain(g["server"], "bw-twin"))]


@planting(
    "disk-open-twice",
    check="cross.volume-open-twice",
    object="volumes/volume-{volume}",
    severity="critical",
    needs=("volume",),
    note="two domains that are paused before their first instruction, and may only read",
)
def _(g: Ground) -> list[Change]:
    secret = f"<auth username='cinder'><secret type='ceph' uuid='{SECRET}'/></auth><source"
    disk = _rbd("volumes", f"volume-{g['volume']}").replace("</disk>", "<readonly/></disk>").replace("<source", secret)
    return [
        _started(host, f"bw-{host}", _domain(g.id[:-1] + host[-1], f"bw-{host}", devices=disk)) for host in COMPUTES
    ]


@planting("domain-paused", check="cross.power-state", object="{server}", needs=SERVER)
def _(g: Ground) -> list[Change]:
    return [Change(g["host"], f"virsh -q suspend {g['server']}", f"virsh -q resume {g['server']} || true")]


@planting("server-elsewhere", check="cross.wrong-host", object="{server}", severity="critical", needs=SERVER)
def _(g: Ground) -> list[Change]:
    return [*_held(g), _instance(g, host=f"'{g['other']}'", node=f"'{g['other']}'")]


@planting(
    "server-without-domain",
    check="cross.ghost-server",
    object="{server}",
    needs=SERVER,
    restores="shape",
    note="nova-compute, which would stop the server in Nova, too, is held",
)
def _(g: Ground) -> list[Change]:
    server, xml = g["server"], "/run/lab/bw-domain.xml"
    do = f"virsh -q dumpxml --inactive {server} > {xml}\nvirsh -q destroy {server}\nvirsh -q undefine {server}"
    undo = (
        f"[ -s {xml} ] || exit 0\nvirsh -q dominfo {server} >/dev/null 2>&1 || virsh -q define {xml}\n"
        f'[ "$(virsh domstate {server} | head -1)" = running ] || virsh -q start {server}\nrm -f {xml}'
    )
    return [*_held(g), Change(g["host"], do, undo)]


@planting("flavor-mismatch", check="cross.flavor-mismatch", object="{server}", needs=SERVER)
def _(g: Ground) -> list[Change]:
    return [
        cells(
            g,
            "nova.instance_extra",
            f"instance_uuid='{g['server']}'",
            flavor="""replace(flavor, '"memory_mb": 128', '"memory_mb": 512')""",
        )
    ]


@planting(
    "lost-guest",
    check="libvirt.lost-guest",
    object="{id}",
    severity="critical",
    note="a process that calls itself QEMU and sleeps",
)
def _(g: Ground) -> list[Change]:
    command = (
        f'bash -c "exec -a qemu-system-x86_64 /usr/bin/python3 -c \\"import time; time.sleep(3600)\\" -uuid {g.id}"'
    )
    return [process("cmp1", "bw-guest", command)]


@planting("libvirt-silent", check="libvirt.silent", object="libvirt", severity="critical")
def _(_: Ground) -> list[Change]:
    return [stopped("kvm1", "libvirtd")]


@planting("server-error", check="nova.server-error", object="{server}", needs=SERVER)
def _(g: Ground) -> list[Change]:
    return [_instance(g, vm_state="'error'")]


@planting("build-stuck", check="nova.stuck-build", object="{server}", needs=SERVER)
def _(g: Ground) -> list[Change]:
    return [_instance(g, vm_state="'building'", task_state="'scheduling'", created_at=ago(7200))]


@planting("task-stuck", check="nova.stuck-task", object="{server}", needs=SERVER)
def _(g: Ground) -> list[Change]:
    # A nova-compute that looks at its servers meanwhile would write down a new time.
    return [*_held(g), _instance(g, task_state="'rebooting_hard'", updated_at=ago(10800))]


@planting("resize-unconfirmed", check="nova.unconfirmed-resize", object="{server}", needs=SERVER)
def _(g: Ground) -> list[Change]:
    return [*_held(g), _instance(g, vm_state="'resized'", updated_at=ago(2 * 86400))]


def _migration(g: Ground, uuid: str, status: str, seconds: int) -> Change:
    return inserted(
        "nova.migrations",
        f"uuid='{uuid}'",
        uuid=f"'{uuid}'",
        instance_uuid=f"'{g['server']}'",
        status=f"'{status}'",
        source_compute=f"'{g['host']}'",
        source_node=f"'{g['host']}'",
        dest_compute=f"'{g['other']}'",
        dest_node=f"'{g['other']}'",
        migration_type="'live-migration'",
        created_at=ago(seconds),
        updated_at=ago(seconds),
        deleted="0",
        hidden="0",
        cross_cell_move="0",
    )


@planting("migration-stuck", check="nova.stuck-migration", object="{id}", needs=SERVER)
def _(g: Ground) -> list[Change]:
    return [*_held(g), _migration(g, g.id, "running", 4 * 3600)]


@planting("migrations-fail", check="nova.failed-migrations", object="migrations {host}", needs=SERVER)
def _(g: Ground) -> list[Change]:
    # Newer than any success: the check takes those for the end of the trouble.
    return [_migration(g, f"{g.id[:-1]}{n}", "error", 0) for n in range(3)]


@planting(
    "nova-service-down",
    check="nova.service-down",
    object="nova-compute@cmp2",
    note="held, and its last report put back: else the minute would have to be waited for",
)
def _(g: Ground) -> list[Change]:
    return _unheard(g, "nova-compute", "cmp2")


@planting("nova-scheduler-down", check="nova.service-down", object="nova-scheduler@ctl1", severity="critical")
def _(g: Ground) -> list[Change]:
    return _unheard(g, "nova-scheduler", "ctl1")


def _unheard(g: Ground, binary: str, host: str) -> list[Change]:
    where = f"host='{host}' and `binary`='{binary}' and deleted=0"
    back = f"select 1 from nova.services where host='{host}' and \\`binary\\`='{binary}' and last_seen_up > {ago(20)}"
    return [stopped(host, binary), cells(g, "nova.services", where, healed=back, last_seen_up=ago(600))]


@planting("compute-disabled", check="nova.disabled-without-reason", object="nova-compute@cmp2", severity="info")
def _(g: Ground) -> list[Change]:
    service = g.ask(
        "select uuid from nova.services where host='cmp2' and `binary`='nova-compute' and deleted=0"
    ).strip()
    on = [("compute", f"{verb}_service", [service], {}) for verb in ("disable", "enable")]
    without = (
        "select 1 from dual where not exists (select 1 from placement.resource_provider_traits t join "
        "placement.resource_providers p on p.id=t.resource_provider_id join placement.traits n on n.id=t.trait_id "
        "where p.name='cmp2' and n.name='COMPUTE_STATUS_DISABLED')"
    )
    return [Change("api", calls(on[0]), calls(on[1]), healed=answered(without), settle_on="ctl1")]


@planting("trait-lost", check="placement.disabled-trait", object="{provider_cmp2}")
def _(g: Ground) -> list[Change]:
    where = "host='cmp2' and `binary`='nova-compute' and deleted=0"
    return [stopped("cmp2", "nova-compute"), cells(g, "nova.services", where, disabled="1")]


@planting("unknown-volume", check="cross.volume-unknown", object="{server}:{id}", needs=SERVER)
def _(g: Ground) -> list[Change]:
    return [*_held(g), _mapping(g, g.id)]


@planting(
    "nova-alone-attaches", check="cross.attachment-disagree", object="{server}:{volume}", needs=(*SERVER, "volume")
)
def _(g: Ground) -> list[Change]:
    return [*_held(g), _mapping(g, g["volume"])]


def _mapping(g: Ground, volume: str) -> Change:
    return inserted(
        "nova.block_device_mapping",
        f"uuid='{g.id}'",
        uuid=f"'{g.id}'",
        instance_uuid=f"'{g['server']}'",
        volume_id=f"'{volume}'",
        device_name="'/dev/vdz'",
        source_type="'volume'",
        destination_type="'volume'",
        delete_on_termination="0",
        no_device="0",
        deleted="0",
        connection_info="'{}'",
        created_at=ago(60),
    )


@planting("flavor-nowhere", check="nova.flavor-nowhere", object="{id}", severity="info")
def _(g: Ground) -> list[Change]:
    new = {"name": "bw-health", "id": g.id, "ram": 1 << 26, "vcpus": 1, "disk": 1}
    return [
        Change(
            "api",
            calls(("compute", "create_flavor", [], new)),
            calls(("compute", "delete_flavor", [g.id], {"ignore_missing": True})),
        )
    ]


@planting("two-zones", check="nova.host-in-two-zones", object="zone cmp2")
def _(g: Ground) -> list[Change]:
    changes = []
    for n, zone in enumerate(("bw-east", "bw-west"), 990001):
        key = f"'{g.id[:-1]}{n % 10}'"
        changes += [
            inserted("nova_api.aggregates", f"id={n}", id=str(n), uuid=key, name=f"'{zone}'"),
            inserted("nova_api.aggregate_hosts", f"aggregate_id={n}", host="'cmp2'", aggregate_id=str(n)),
            inserted(
                "nova_api.aggregate_metadata",
                f"aggregate_id={n}",
                aggregate_id=str(n),
                key="'availability_zone'",
                value=f"'{zone}'",
            ),
        ]
    return changes


@planting("flavor-for-no-aggregate", check="cross.flavor-aggregate", object="{id}:bw")
def _(g: Ground) -> list[Change]:
    new = {"name": "bw-health-gpu", "id": g.id, "ram": 128, "vcpus": 1, "disk": 1}
    specs = {"aggregate_instance_extra_specs:bw": "health"}
    made = calls(("compute", "create_flavor", [], new), ("compute", "create_flavor_extra_specs", [g.id, specs], {}))
    return [Change("api", made, calls(("compute", "delete_flavor", [g.id], {"ignore_missing": True})))]

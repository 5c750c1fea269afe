"""Dumps of all that plantings change, beside what network faults change: rows of the services, Ceph, mounts, queues."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lab.faults import dumps as network
from lab.faults.target import shell
from lab.health.changes import CEPH
from lab.parts.infra import RABBIT, sql
from lab.site import HOSTS

_LIVE = "deleted=0"
# Heartbeats and the times at which somebody last looked change by themselves.
ROWS = (
    ("nova.instances", "uuid,host,node,vm_state,task_state,power_state,created_at,deleted", _LIVE),
    ("nova.instance_extra", "instance_uuid,md5(flavor)", _LIVE),
    ("nova.services", "host,`binary`,disabled,disabled_reason,forced_down", _LIVE),
    ("nova.migrations", "uuid,status,source_compute,dest_compute", _LIVE),
    ("nova.block_device_mapping", "uuid,volume_id,instance_uuid", _LIVE),
    ("nova_api.aggregates", "uuid,name", "1"),
    ("nova_api.aggregate_hosts", "aggregate_id,host", "1"),
    ("nova_api.instance_groups", "uuid,name", "1"),
    ("nova_api.flavors", "flavorid,name,memory_mb,vcpus", "1"),
    ("cinder.volumes", "id,status,attach_status,size,host,project_id,updated_at", _LIVE),
    ("cinder.volume_attachment", "id,volume_id,instance_uuid,attach_status", _LIVE),
    ("cinder.snapshots", "id,volume_id,status", _LIVE),
    ("cinder.services", "host,`binary`,disabled,frozen,replication_status", _LIVE),
    ("cinder.quota_usages", "project_id,resource,in_use", _LIVE),
    ("cinder.volume_types", "id,name", _LIVE),
    ("glance.images", "id,name,status,created_at", _LIVE),
    ("neutron.agents", "id,host,agent_type,admin_state_up", "1"),
    ("neutron.ports", "id,status,device_id,device_owner,mac_address", "1"),
    ("neutron.ml2_port_bindings", "port_id,host,vif_type,status", "1"),
    ("neutron.ipallocations", "port_id,ip_address,subnet_id", "1"),
    ("neutron.ipallocationpools", "id,first_ip,last_ip", "1"),
    ("neutron.networksegments", "id,network_type,segmentation_id", "1"),
    ("neutron.networkdhcpagentbindings", "network_id,dhcp_agent_id", "1"),
    ("neutron.routerl3agentbindings", "router_id,l3_agent_id", "1"),
    ("neutron.routers", "id,status,admin_state_up", "1"),
    ("keystone.endpoint", "id,interface,url,enabled", "1"),
    ("keystone.password", "local_user_id,expires_at,expires_at_int", "1"),
    ("placement.allocations", "resource_provider_id,consumer_id,resource_class_id,used", "1"),
    # How much memory (class 1) there is, is the machine's word: on a virtual one it changes by itself.
    (
        "placement.inventories",
        "resource_provider_id,resource_class_id,case resource_class_id when 1 then '' else total end,reserved,"
        "allocation_ratio",
        "1",
    ),
    ("placement.resource_providers", "uuid,name", "1"),
    ("placement.resource_provider_traits", "resource_provider_id,trait_id", "1"),
)
CEPH_DUMP = r"""
ceph osd dump | grep -E '^flags|_ratio|^pool' | sed -e 's/ last_change [0-9]*//' -e 's/ lfor [^ ]*//' -e 's/^pool [0-9]*/pool/' \
    -e 's/,selfmanaged_snaps//'
ceph osd dump | awk '/^osd/ {print $1, $2, $3, $5}'
ceph osd tree --format plain
ceph osd crush rule ls | sort
ceph crash ls | awk 'NR > 1 {print $1}'
for p in volumes vms images; do
    rbd ls -l $p 2>/dev/null | awk '{print $1}' | sed "s/^/$p /"
    rbd trash ls $p | sed "s/^/trash $p /"
done
"""
# How far the log of an agent was when it was let go (NAME.held) is nobody's state.
HOST_DUMP = r"""
awk '{print $2, $3}' /proc/mounts | grep -v -E '/proc|/sys|netns' | sort
ls /run/netns | sort; ls /run/lab | grep -v '[.]held$' | sort; ls /run/reboot-required 2>/dev/null
virsh list --all --uuid 2>/dev/null | sort
for f in /run/lab/*.pid; do echo "$(basename $f) $(sed -n 's/^State:.\([TZ]\).*/\1/p' /proc/$(cat $f)/status 2>&1)"; done
"""
_QUEUES = "/usr/lib/rabbitmq/bin/rabbitmqctl -q -n $RABBITMQ_NODENAME"
QUEUE_DUMP = f"""
{" ".join(f"export {k}='{v}';" for k, v in RABBIT.items())}
{_QUEUES} list_queues -p lab name --no-table-headers | grep bw-health || true
{_QUEUES} cluster_status --formatter json | grep -o '"alarms":[^]]*]'
"""


def dumps() -> dict[str, str]:
    """The dumps of all places."""
    scripts = {f"host {h}": (h, HOST_DUMP) for h in HOSTS}
    scripts |= {"ceph": ("machine", CEPH + CEPH_DUMP), "queue": ("ctl1", QUEUE_DUMP)}
    with ThreadPoolExecutor(len(scripts) + 2) as pool:
        wires = pool.submit(network.dumps)
        rows = pool.submit(_rows)
        found = {name: pool.submit(shell, *what) for name, what in scripts.items()}
        return {**wires.result(), "rows": rows.result(), **{name: f.result() for name, f in found.items()}}


def _rows() -> str:
    selects = (
        f"select concat_ws(' ', '{table}', {','.join(_told(c) for c in columns.split(','))}) from {table} where {where}"
        for table, columns, where in ROWS
    )
    return "\n".join(sorted(sql("; ".join(selects)).splitlines()))


def _told(column: str) -> str:
    return f"ifnull({column}, '-')"

"""A project of the lab's cloud that a migration can begin from, made by openstacksdk and not by the product."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.guests import cache

from .conftest import Lab, until

CIDR = "10.77.0.0/24"
ADDRESSES = {"old-web": "10.77.0.50", "old-local": "10.77.0.51"}
"""The servers: the first boots from a volume, the second has a local disk."""
MACS = {"old-web": "fa:16:3e:77:00:50", "old-local": "fa:16:3e:77:00:51"}
CLOUD = "lab-demo"


@dataclass
class Source:
    """What was made: the servers by name, ids of other objects; `undo` takes it away again, the newest first."""

    cloud: Any
    servers: dict[str, Any] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)
    undo: list[Callable[[], Any]] = field(default_factory=list)


def connect(lab: Lab, name: str = CLOUD) -> Any:
    """A connection to a cloud of the lab's clouds.yaml."""
    import openstack
    from openstack.config import OpenStackConfig

    loader = OpenStackConfig(config_files=[lab.env["OS_CLIENT_CONFIG_FILE"]])
    return openstack.connection.Connection(config=loader.get_one(cloud=name))


def configured(lab: Lab, folder: Path, *, ceph: bool) -> None:
    """A configuration that names the source's Ceph, or does not: then its disks come through the API."""
    said = yaml.safe_load(Path(lab.env["BLUE_WIZARD_CONFIG"]).read_text())
    said["sources"]["old"] = {"url": f"openstack://{CLOUD}"}
    if ceph:
        said["clouds"][CLOUD] = {"ceph": said["clouds"]["lab"]["ceph"]}
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(said))
    lab.extra["BLUE_WIZARD_CONFIG"] = str(file)


def build(lab: Lab, *names: str) -> Source:
    """Network, subnet, router, groups that name each other, keypair, image, free volume, and these servers, which run."""
    cloud = connect(lab)
    made = Source(cloud)
    try:
        _objects(cloud, made)
        free = cloud.block_storage.create_volume(name="old-free", size=1, metadata={"owner": "tenant"})
        made.undo.append(lambda: _delete_volume(cloud, free.id))
        cloud.block_storage.wait_for_status(free, "available", wait=120)
        for name in names:
            _server(cloud, made, name)
        for name in names:
            cloud.compute.wait_for_server(made.servers[name], wait=180)
    except BaseException:
        remove(made)
        raise
    return made


def _key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def _objects(cloud: Any, made: Source) -> None:
    network = cloud.network
    net = network.create_network(name="old-net", description="of the tenant")
    made.undo.append(lambda: network.delete_network(net.id))
    subnet = network.create_subnet(name="old-subnet", network_id=net.id, cidr=CIDR, ip_version=4,
                                   dns_nameservers=["10.77.0.2"])  # fmt: skip
    made.undo.append(lambda: network.delete_subnet(subnet.id))
    external = network.find_network("external")
    router = network.create_router(name="old-router", external_gateway_info={"network_id": external.id})
    made.undo.append(lambda: network.delete_router(router.id))
    network.add_interface_to_router(router, subnet_id=subnet.id)
    made.undo.append(lambda: network.remove_interface_from_router(router.id, subnet_id=subnet.id))
    groups = [network.create_security_group(name=n) for n in ("old-open", "old-inner")]
    for group in groups:
        made.undo.append(lambda i=group.id: network.delete_security_group(i))
    open_, inner = groups
    for protocol in ("icmp", "tcp"):
        network.create_security_group_rule(security_group_id=open_.id, direction="ingress", protocol=protocol,
                                           remote_ip_prefix="0.0.0.0/0")  # fmt: skip
    # Each names the other: neither can be made with its rules before the other is there.
    network.create_security_group_rule(security_group_id=inner.id, direction="ingress", protocol="tcp",
                                       port_range_min=5432, port_range_max=5432, remote_group_id=open_.id)  # fmt: skip
    network.create_security_group_rule(security_group_id=open_.id, direction="ingress", remote_group_id=inner.id)
    cloud.compute.create_keypair(name="old-key", public_key=_key())
    made.undo.append(lambda: cloud.compute.delete_keypair("old-key"))
    image = cloud.image.create_image(
        "old-image", filename=str(cache.get("tiny")), disk_format="raw", container_format="bare", wait=True,
        allow_duplicates=True, min_disk=1, my_property="kept",
    )  # fmt: skip
    made.undo.append(lambda: _delete_image(cloud, image.id))
    made.objects |= {"image": image.id, "net": net.id, "subnet": subnet.id, "group": open_.id}


def _server(cloud: Any, made: Source, name: str) -> None:
    fixed = [{"subnet_id": made.objects["subnet"], "ip_address": ADDRESSES[name]}]
    port = cloud.network.create_port(name=name, network_id=made.objects["net"], mac_address=MACS[name], fixed_ips=fixed,
                                     security_group_ids=[made.objects["group"]])  # fmt: skip
    made.undo.append(lambda: cloud.network.delete_port(port.id))
    body: dict[str, Any] = {
        "name": name,
        "flavor_id": cloud.compute.find_flavor("m1.nano").id,
        "networks": [{"port": port.id}],
        "key_name": "old-key",
        "metadata": {"owner": "tenant"},
    }
    if name == "old-local":
        body["image_id"] = made.objects["image"]
    else:
        volume = cloud.block_storage.create_volume(name=f"{name}-boot", size=1, image_id=made.objects["image"])
        made.undo.append(lambda: _delete_volume(cloud, volume.id))
        cloud.block_storage.wait_for_status(volume, "available", wait=180)
        boot = {"uuid": volume.id, "source_type": "volume", "destination_type": "volume", "boot_index": 0}
        body["block_device_mapping"] = [boot]
        made.objects["boot"] = volume.id
    server = cloud.compute.create_server(**body)
    made.undo.append(lambda: _delete_server(cloud, server.id))
    made.servers[name] = server


def _delete_server(cloud: Any, server: str) -> None:
    cloud.compute.delete_server(server)
    until(lambda: server not in {s.id for s in cloud.compute.servers(details=False)}, "the server to be gone")


def _delete_volume(cloud: Any, volume: str) -> None:
    until(lambda: cloud.block_storage.get_volume(volume).status in {"available", "error"}, "the volume to be free")
    cloud.block_storage.delete_volume(volume)
    until(lambda: volume not in {v.id for v in cloud.block_storage.volumes()}, "the volume to be gone")


def _delete_image(cloud: Any, image: str) -> None:
    # Ceph lets an image go when the last clone has gone.
    for attempt in range(30):
        try:
            cloud.image.delete_image(image)
        except Exception:
            if attempt == 29:
                raise
            time.sleep(1)
        else:
            return


def remove(made: Source) -> None:
    """Take all of it away; what fails is told at the end."""
    problems = []
    for undo in reversed(made.undo):
        try:
            undo()
        except Exception as e:
            problems.append(repr(e))
    assert problems == []


def inventory(lab: Lab) -> dict[str, set[str]]:
    """What the copy of a project can leave behind, in all projects, and RBD snapshots of a migration."""
    cloud = connect(lab, lab.env["OS_CLOUD"])
    network = cloud.network
    return {
        **lab.inventory(),
        "networks": {n.id for n in network.networks()},
        "subnets": {s.id for s in network.subnets()},
        "routers": {r.id for r in network.routers()},
        "groups": {g.id for g in network.security_groups()},
        "rules": {r.id for r in network.security_group_rules()},
        "keypairs": {k.name for k in cloud.compute.keypairs()},
        "glance": {i.id for i in cloud.image.images()},
        "volume snapshots": {s.id for s in cloud.block_storage.snapshots(all_projects=True)},
    }

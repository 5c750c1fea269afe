"""What plantings are planted on: a server, a volume, an image and a spare port, all with the same name, and another image."""

from __future__ import annotations

from typing import Any

from lab.faults.target import connect
from lab.guests.image import tiny_image
from lab.health.ground import NAME
from lab.run import wait

_HOST = "cmp1"
_ANOTHER = f"{NAME}-another"


def make() -> None:
    """Make what is not there yet."""
    cloud = connect()
    image = tiny_image(cloud, NAME, visibility="public")
    # Where images lie is told by the others, once one is gone.
    tiny_image(cloud, _ANOTHER, visibility="public")
    network = cloud.network.find_network("private")
    if cloud.network.find_port(NAME) is None:
        cloud.network.create_port(name=NAME, network_id=network.id)
    if cloud.block_storage.find_volume(NAME) is None:
        volume = cloud.block_storage.create_volume(name=NAME, size=1, volume_type="rbd")
        cloud.block_storage.wait_for_status(volume, "available", interval=0.5, wait=60)
    if cloud.compute.find_server(NAME) is None:
        cloud.compute.create_server(
            name=NAME,
            image_id=image.id,
            flavor_id=cloud.compute.find_flavor("m1.nano").id,
            networks=[{"uuid": network.id}],
            availability_zone=f"nova:{_HOST}",
        )
    cloud.compute.wait_for_server(cloud.compute.find_server(NAME), wait=180)
    _port_is_up(cloud)


def _port_is_up(cloud: Any) -> None:
    server = cloud.compute.find_server(NAME)

    def up() -> bool:
        return all(p.status == "ACTIVE" for p in cloud.network.ports(device_id=server.id))

    wait(up, f"the port of {NAME} to be active", timeout=90)


def remove() -> None:
    """Leave nothing of it."""
    cloud = connect()
    if server := cloud.compute.find_server(NAME):
        cloud.compute.delete_server(server.id)
        cloud.compute.wait_for_delete(server, wait=120)
    if volume := cloud.block_storage.find_volume(NAME):
        cloud.block_storage.delete_volume(volume.id)
        cloud.block_storage.wait_for_delete(volume, interval=0.5, wait=60)
    if port := cloud.network.find_port(NAME):
        cloud.network.delete_port(port.id)
    for name in (NAME, _ANOTHER):
        if image := cloud.image.find_image(name):
            cloud.image.delete_image(image.id)

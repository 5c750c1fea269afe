"""The tiny guest as an image of a cloud."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from lab.guests import tiny


def tiny_image(cloud: Any, name: str, **more: Any) -> Any:
    """The cloud's image of that name, brought there (raw) if it is not there yet; `more` is given to `create_image`."""
    found = cloud.image.find_image(name)
    if found is not None:
        return found
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "tiny.raw"
        tiny.build(disk)
        return cloud.create_image(
            name, filename=str(disk), disk_format="raw", container_format="bare", wait=True, **more
        )

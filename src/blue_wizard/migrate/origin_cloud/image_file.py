"""The content of a Glance image, read in ranges by several threads; and a QCOW2 image in it, without a file between."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.formats.base import Image
from blue_wizard.migrate.formats.family import Family
from blue_wizard.migrate.formats.qcow2 import open_qcow2
from blue_wizard.migrate.formats.raw import Raw
from blue_wizard.migrate.formats.window import Window
from blue_wizard.reach.openstack import Cloud
from blue_wizard.text import _

__all__ = ["ImageFile", "download", "open_image", "takes_ranges"]

_TRIES = 5
_PIECE = 4 << 20
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def _broken() -> tuple[type[Exception], ...]:
    import requests
    import urllib3

    return (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


class ImageFile(Window):
    """An image's content as a `Window`: reads by several threads do not wait for each other. Raises StepFailed."""

    def __init__(self, cloud: Cloud, image: str, size: int, name: str) -> None:
        # Nothing of the parent's opening of a file applies.
        self._cloud, self._id = cloud, image
        self.file, self.start, self.name, self.size = Path(image), 0, name, size
        self._ahead = threading.local()

    def read_some(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; less only at the end."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        parts = [self._range(at, min(_PIECE, offset + length - at)) for at in range(offset, offset + length, _PIECE)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _range(self, offset: int, length: int) -> bytes:
        problem = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(0.25 * 2**attempt)
            try:
                with closing(
                    self._cloud.fetch("image", f"/images/{self._id}/file", offset, offset + length - 1)
                ) as answer:
                    place = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
                    if answer.status_code == 404:
                        raise StepFailed(
                            _("Image {name} of cloud {cloud} is gone.").format(name=self.name, cloud=self._cloud.name)
                        )
                    if answer.status_code != 206 or place is None or int(place[1]) != offset:
                        problem = f"HTTP {answer.status_code} {answer.headers.get('Content-Range', '')}".strip()
                        continue
                    data = answer.content
            except _broken() as e:
                problem = str(e) or type(e).__name__
                continue
            if len(data) == length:
                return bytes(data)
            problem = _("the answer was cut off ({got} of {wanted} bytes)").format(got=len(data), wanted=length)
        raise StepFailed(
            _("Image {name} can't be read from cloud {cloud}: {problem}").format(
                name=self.name, cloud=self._cloud.name, problem=problem
            ),
            _("Look at the log of its Glance, then: blue-wizard job resume ID"),
        )

    def data_from(self, offset: int) -> tuple[int, int]:
        """Nothing is known of holes: all of it is data."""
        return offset, self.size

    def close(self) -> None:
        """Nothing to close: connections are the cloud's."""


def open_image(cloud: Cloud, image: dict[str, Any]) -> Image:
    """The disk in an image, raw or QCOW2. Raises StepFailed for what can't be read that way."""
    name = image.get("name") or image["id"]
    file = ImageFile(cloud, image["id"], int(image["size"]), name)
    if image["disk_format"] == "raw":
        return Raw(file)
    # It has no folder, so whatever it names is outside of it.
    found = open_qcow2(file, Family(Path("/nonexistent"), (Path(name),))) if image["disk_format"] == "qcow2" else None
    if found is None:
        raise StepFailed(
            _("Image {name} of cloud {cloud} is of format {format}, which is not read from there.").format(
                name=name, cloud=cloud.name, format=image["disk_format"]
            ),
            _("Download it, and migrate it as a file."),
        )
    return found


def takes_ranges(cloud: Cloud, image: str) -> bool:
    """Whether Glance serves a part of an image when asked for it: it does since Rocky, not with every store."""
    with closing(cloud.fetch("image", f"/images/{image}/file", 0, 0)) as answer:
        return answer.status_code == 206 and _RANGE.fullmatch(answer.headers.get("Content-Range", "")) is not None


def download(cloud: Cloud, image: str, name: str) -> Iterator[bytes]:
    """The whole content, piece by piece, in one answer. Raises StepFailed when it breaks off."""
    with closing(cloud.fetch("image", f"/images/{image}/file")) as answer:
        if answer.status_code != 200:
            raise StepFailed(
                _("Image {name} can't be read from cloud {cloud}: {problem}").format(
                    name=name, cloud=cloud.name, problem=f"HTTP {answer.status_code}"
                ),
                _("Look at the log of its Glance, then: blue-wizard job resume ID"),
            )
        try:
            yield from answer.iter_content(_PIECE)
        except _broken() as e:
            raise StepFailed(
                _("Image {name} can't be read from cloud {cloud}: {problem}").format(
                    name=name, cloud=cloud.name, problem=str(e) or type(e).__name__
                ),
                _("Look at the log of its Glance, then: blue-wizard job resume ID"),
            ) from e

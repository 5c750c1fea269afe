"""The source itself: where a disk is read from, that only what was exported is read, and reads in ranges that break off."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from blue_wizard import config
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.migrate.machine import Power
from blue_wizard.migrate.origin_cloud import image_file
from blue_wizard.migrate.origin_cloud.image_file import ImageFile
from blue_wizard.migrate.origin_cloud.servers import LOOSE, ROOT
from blue_wizard.migrate.sources import Exporting, PowerControl, open_source
from blue_wizard.migrate.sources import openstack as module
from blue_wizard.migrate.sources.openstack import OpenStack
from tests.unit.migrate.clouds import Answer, Memory


class Images:
    """Stands for a pool: images with their snapshots."""

    name = "volumes"

    def __init__(self, **images: list[str]) -> None:
        self.images = {k.replace("_", "-"): v for k, v in images.items()}

    def size(self, image: str) -> int | None:
        return 1 if image in self.images else None

    def snapshots(self, image: str) -> list[str]:
        return list(self.images[image])

    def snapshot(self, image: str, name: str) -> None:
        if name not in self.images[image]:
            self.images[image].append(name)

    def remove_snapshot(self, image: str, name: str) -> None:
        self.images[image].remove(name)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenStack:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"clouds": {"old": {"ceph": {"pool": "volumes"}}}}))
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
    return OpenStack("openstack://old")


def test_a_url_is_a_cloud_and_nothing_else() -> None:
    found = open_source("openstack://my-cloud")
    assert isinstance(found, OpenStack)
    assert isinstance(found, PowerControl)
    assert isinstance(found, Exporting)
    assert (found.cloud_name, found.target) == ("my-cloud", "openstack:my-cloud")
    for wrong in ("openstack://", "openstack://user:secret@host", "openstack://a/b"):
        with pytest.raises(InputError) as caught:
            OpenStack(wrong)
        assert "secret" not in caught.value.message


def test_where_a_disk_lies(source: OpenStack) -> None:
    access, image = source._in_ceph("s", "v1") or (None, "")
    assert (access and access.pool, image) == ("volumes", "volume-v1")
    # Nova's pool is not in the configuration.
    assert source._in_ceph("s", ROOT) is None
    assert OpenStack("openstack://unknown")._in_ceph("s", "v1") is None


def test_an_export_in_ceph_is_a_snapshot_of_this_very_job(source: OpenStack, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Images(volume_v1=["tenants-own", "blue-wizard-export-m-old"])
    monkeypatch.setattr(module.ceph, "open_pool", lambda _access, **_more: nullcontext(pool))
    for _twice in range(2):
        source.export("s", "v1", "m-1.1", check_stop=lambda: None)
        assert pool.images["volume-v1"] == ["tenants-own", "blue-wizard-export-m-1.1"]
    for _twice in range(2):
        source.release("s", "v1")
        assert pool.images["volume-v1"] == ["tenants-own"]
    with pytest.raises(StepFailed, match="v1 of s is not exported"), source.open_disk("s", "v1"):
        pass
    # A volume that is gone has nothing of ours either.
    source.release(LOOSE, "gone")


def test_an_export_is_outdated_once_the_server_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path))
    source = OpenStack("openstack://other")
    image = {"id": "i", "name": "n", "size": 8, "disk_format": "raw", "created_at": "2026-01-01T10:00:00Z"}
    monkeypatch.setattr(module.exports, "find", lambda *_args: image)
    memory = Memory("other")
    memory.content["i"] = b"12345678"
    done = [{"action": "stop", "start_time": "2026-01-01T09:59:00.0"}]
    source.__dict__["api"] = SimpleNamespace(cloud=memory, get=lambda *_args: {"instanceActions": done})
    with source.open_disk("s", ROOT) as export:
        assert export.reader is not None
        reader = export.reader()
        assert (export.size, reader.size, reader.read(2, 3)) == (8, 8, b"345")
        assert [(e.offset, e.length, e.zero) for e in reader.extents()] == [(0, 8, False)]
        done.append({"action": "start", "start_time": "2026-01-01T10:00:05.0"})
        assert export.stamp is not None
        with pytest.raises(StepFailed, match="s was started after"):
            export.stamp()
    with pytest.raises(StepFailed, match="s was started after"), source.open_disk("s", ROOT):
        pass


def test_an_image_without_ranges_is_brought_here_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path))
    source = OpenStack("openstack://other")
    memory = Memory("other", ranges=False)
    # A guest that writes the mark of another format to the beginning of its disk.
    memory.content["i"] = b"QFI\xfb" + bytes(508)
    image = {"id": "i", "name": "n", "size": 512, "disk_format": "raw", "created_at": "2026-01-01T10:00:00Z"}
    monkeypatch.setattr(module.exports, "make", lambda *_args: image)
    monkeypatch.setattr(module.exports, "find", lambda *_args: image)
    monkeypatch.setattr(module.exports, "remove", lambda *_args: None)
    source.__dict__["api"] = SimpleNamespace(cloud=memory, get=lambda *_args: {"instanceActions": []})
    source.export("s", ROOT, "m-1", check_stop=lambda: None)
    with source.open_disk("s", ROOT) as export:
        assert export.size == 512
        assert export.reader is not None
        assert export.reader().read(0, 4) == b"QFI\xfb"
    # One that was killed over it leaves a part.
    part = source._file("s", ROOT).with_suffix(".part")
    part.write_bytes(b"QFI")
    source.release("s", ROOT)
    assert not [f for f in tmp_path.rglob("*") if f.is_file()]
    # Another machine has no such file, and does not try to read what is not served in parts.
    with pytest.raises(StepFailed, match="not exported"), source.open_disk("s", ROOT):
        pass


def test_an_image_that_does_not_fit_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path))
    source = OpenStack("openstack://other")
    memory = Memory("other", ranges=False)
    memory.content["i"] = b"x"
    image = {"id": "i", "name": "n", "size": 1 << 62, "disk_format": "raw"}
    monkeypatch.setattr(module.exports, "make", lambda *_args: image)
    source.__dict__["api"] = SimpleNamespace(cloud=memory)
    with pytest.raises(StepFailed, match="MiB are needed"):
        source.export("s", ROOT, "m-1", check_stop=lambda: None)
    assert not [f for f in tmp_path.rglob("*") if f.is_file()]


class Breaking(Memory):
    """A Glance whose first answers are cut off, late, or something else."""

    def __init__(self, *bad: Any) -> None:
        super().__init__("bad")
        self.bad = list(bad)
        self.content["i"] = bytes(range(256)) * 40

    def fetch(self, service: str, path: str, first: int | None = None, last: int | None = None) -> Answer:
        good = super().fetch(service, path, first, last)
        if not self.bad:
            return good
        how = self.bad.pop(0)
        if isinstance(how, Exception):
            raise how
        return how(good)  # type: ignore[no-any-return]


def _cut(answer: Answer) -> Answer:
    return Answer(206, answer.content[:-1], answer.headers)


def _elsewhere(answer: Answer) -> Answer:
    return Answer(206, answer.content, {"Content-Range": "bytes 7-9/10240"})


def _busy(_answer: Answer) -> Answer:
    return Answer(503, b"", {})


@pytest.mark.parametrize("bad", [_cut, _elsewhere, _busy, OSError("reset")])
def test_a_range_that_breaks_off_is_asked_for_again(bad: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_file.time, "sleep", lambda _seconds: None)
    memory = Breaking(bad, bad)
    file = ImageFile(memory, "i", 10240, "n")  # type: ignore[arg-type]
    assert file.read(300, 2000) == memory.content["i"][300:2300]
    memory.bad = [bad] * 9
    with pytest.raises(StepFailed, match="n can't be read from cloud bad"):
        file.read(0, 10)


def test_beyond_the_end_nothing_is_read() -> None:
    file = ImageFile(Breaking(), "i", 10240, "n")  # type: ignore[arg-type]
    assert file.read_some(10230, 100) == Breaking().content["i"][10230:]
    with pytest.raises(StepFailed):
        file.read(10230, 100)


class Nova:
    """Stands for an `Api`: a server that takes a moment for what it is told."""

    def __init__(self, status: str, *, deaf: bool = False) -> None:
        self.status, self.task, self.deaf = status, "", deaf
        self.told: list[str] = []

    def get(self, _service: str, _path: str, *, missing_ok: bool = False) -> Any:
        shown = {"server": {"id": "s", "status": self.status, "OS-EXT-STS:task_state": self.task or None}}
        if self.task and not self.deaf:
            self.status, self.task = ("SHUTOFF" if self.task == "powering-off" else "ACTIVE"), ""
        return shown

    def post(self, _service: str, _path: str, body: Any) -> Any:
        (what,) = body
        assert not self.task, "Nova refuses what comes while something else is under way"
        self.told.append(what)
        self.task = "powering-off" if what == "os-stop" else "powering-on"


def test_a_server_is_stopped_and_started_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blue_wizard.jobs.polling._SOONEST_S", 0)
    monkeypatch.setattr("blue_wizard.migrate.shutdown.time.sleep", lambda _seconds: None)
    nova = Nova("ACTIVE")
    source = OpenStack("openstack://old")
    source.__dict__["api"] = nova
    for _twice in range(2):
        source.shut_down("s", timeout_s=60, check_stop=lambda: None)
        assert (source.power("s"), nova.told) == (Power.OFF, ["os-stop"])
    for _twice in range(2):
        source.start("s")
        assert (source.power("s"), nova.told) == (Power.ON, ["os-stop", "os-start"])


def test_a_server_that_does_not_stop_is_asked_no_second_time_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10_000, 10))
    monkeypatch.setattr("blue_wizard.migrate.shutdown.time.monotonic", lambda: float(next(now)))
    monkeypatch.setattr("blue_wizard.migrate.shutdown.time.sleep", lambda _seconds: None)
    nova = Nova("ACTIVE", deaf=True)
    source = OpenStack("openstack://old")
    source.__dict__["api"] = nova
    with pytest.raises(StepFailed, match="did not shut down"):
        source.shut_down("s", timeout_s=100, check_stop=lambda: None)
    assert nova.told == ["os-stop"]

"""Which volumes may be written: only one that is proved to be ours, and none that is encrypted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from blue_wizard.errors import Refused, StepFailed
from blue_wizard.migrate.targets import disks, volumes
from blue_wizard.migrate.targets.volumes import CreateVolume

from .hands import Hands

GIB = 1 << 30
ARGS = {"cloud": "c", "name": "shop-0", "volume": "volume.0"}
VOLUME: dict[str, Any] = {
    "id": "v",
    "size": 2,
    "status": "in-use",
    "volume_type": "fast",
    "encrypted": False,
    "metadata": {"blue_wizard": "job=j1 step=volume.0"},
    "attachments": [{"server_id": "s"}],
}


def _cinder(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    cloud = SimpleNamespace(get=lambda _service, _path, **_how: {"volume": {**VOLUME, **changed}})
    for module in (disks, volumes):
        monkeypatch.setattr(module, "cloud_of", lambda _args: cloud)


def _ctx() -> Any:
    return Hands({"volume.0": {"volume_id": "v"}, "server": {"server_id": "s"}})


def test_an_encrypted_volume_ends_the_job_before_the_source_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    _cinder(monkeypatch)
    CreateVolume().verify(_ctx(), ARGS, {"volume_id": "v"})
    _cinder(monkeypatch, encrypted=True, volume_type="luks")
    with pytest.raises(StepFailed, match="shop-0 is encrypted by its type luks"):
        CreateVolume().verify(_ctx(), ARGS, {"volume_id": "v"})


@pytest.mark.parametrize(
    ("volume", "image", "server", "word"),
    [
        ({}, {}, "SHUTOFF", ""),
        ({"encrypted": True}, {}, "SHUTOFF", "the volume is encrypted"),
        ({"metadata": {}}, {}, "SHUTOFF", "mark of this job"),
        ({"metadata": {"blue_wizard": "job=j11 step=volume.0"}}, {}, "SHUTOFF", "mark of this job"),
        ({"attachments": [{"server_id": "s"}, {"server_id": "other"}]}, {}, "SHUTOFF", "attached elsewhere"),
        ({}, {}, "ACTIVE", "not stopped"),
        ({}, {"size": None}, "SHUTOFF", "no such image"),
        ({}, {"size": 3 * GIB}, "SHUTOFF", "another size"),
        ({}, {"watchers": ["10.0.0.9:0/1"]}, "SHUTOFF", "has the image open"),
    ],
)
def test_what_is_not_proved_to_be_ours_is_not_written(
    monkeypatch: pytest.MonkeyPatch, volume: dict[str, Any], image: dict[str, Any], server: str, word: str
) -> None:
    _cinder(monkeypatch, **volume)
    monkeypatch.setattr(disks, "server_of", lambda _ctx, _args: {"id": "s", "status": server})
    found = {"size": 2 * GIB, "watchers": [], **image}
    pool: Any = SimpleNamespace(
        name="volumes", size=lambda _image: found["size"], watchers=lambda _image: found["watchers"]
    )
    if not word:
        assert disks.prove(_ctx(), ARGS, pool) == "volume-v"
        return
    with pytest.raises(Refused, match=word):
        disks.prove(_ctx(), ARGS, pool)


def test_a_volume_without_a_server_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    pool: Any = SimpleNamespace(name="volumes", size=lambda _image: 2 * GIB, watchers=lambda _image: [])
    _cinder(monkeypatch, attachments=[])
    ctx: Any = Hands({"volume.0": {"volume_id": "v"}})
    assert disks.prove(ctx, {**ARGS, "alone": True}, pool) == "volume-v"
    _cinder(monkeypatch)
    with pytest.raises(Refused, match="attached elsewhere"):
        disks.prove(ctx, {**ARGS, "alone": True}, pool)


def test_a_volume_is_made_of_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    cloud = SimpleNamespace(
        list=lambda *_what: [],
        get=lambda _service, _path, **_how: {"volume": VOLUME},
        post=lambda _service, _path, body: asked.append(body) or {"volume": VOLUME},
    )
    monkeypatch.setattr(volumes, "cloud_of", lambda _args: cloud)
    common = {"cloud": "c", "name": "shop-0", "gib": 2, "boot": False, "image_metadata": {}}
    for kind in ("fast", None):
        CreateVolume().do(_ctx(), {**common, "volume_type": kind})
    assert [a["volume"].get("volume_type") for a in asked] == ["fast", None]
    assert {a["volume"]["size"] for a in asked} == {2}

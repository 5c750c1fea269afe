"""What single checks judge, and that the commands keep their contract."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from blue_wizard import config
from blue_wizard.cli import main
from blue_wizard.doctor import model
from blue_wizard.doctor.checks import base, clouds, hosts
from blue_wizard.doctor.model import Line, Site, Status
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.migrate import sources as migrate_sources
from blue_wizard.reach import ceph, openstack
from blue_wizard.reach.ssh import Result

TOOLS = {"virsh": "libvirt-clients", "qemu-nbd": "qemu-utils"}


@pytest.mark.parametrize(
    ("stdout", "status", "word"),
    [
        ("100.5\n", Status.OK, "clock agrees"),
        ("101.4\n", Status.OK, "clock agrees"),
        ("104.0\n", Status.WARNING, "+3.5 s"),
        ("96.0\n", Status.WARNING, "-4.5 s"),
        ("100.N\n", Status.OK, "clock agrees"),
        ("never\n", Status.UNKNOWN, "time"),
        ("100.5\nmissing virsh\n", Status.FAILED, "virsh (libvirt-clients)"),
    ],
)
def test_a_host_that_was_reached(stdout: str, status: Status, word: str) -> None:
    # Asked at 100.0, answered at 101.0: the answer may be from any moment between.
    line = hosts.judge("host x", Result(0, stdout, "", started=100.0, took_s=1.0), TOOLS)
    assert line.status is status
    assert word in line.detail


def test_a_tool_that_is_missing_is_told_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {line.what: line for line in base.tools(Site(config.load()), "")}
    assert found["nbdcopy"].status is Status.FAILED
    assert "libnbd-bin" in found["nbdcopy"].remedy
    assert found["virt-v2v-in-place"].status is Status.WARNING, "only guests without drivers need it"


def test_every_package_of_the_tools_is_installed_by_setup() -> None:
    listed = (Path(__file__).resolve().parents[3] / "setup" / "packages.txt").read_text().split()
    assert {t.package for t in (*base.TOOLS, *base.MODULES)} <= set(listed)


@pytest.mark.parametrize(
    ("free", "status"), [(50 << 20, Status.FAILED), (500 << 20, Status.WARNING), (5 << 30, Status.OK)]
)
def test_room(free: int, status: Status) -> None:
    assert base.space(free, "/x").status is status


def test_the_ledger_is_opened_and_a_read_only_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path / "state"))
    config.load.cache_clear()
    first = next(iter(base.ledger(Site(config.load()), "")))
    assert first.status is Status.OK
    monkeypatch.setenv("BLUE_WIZARD_DATABASE_URL", f"sqlite:///file:{tmp_path}/state/ledger.db?mode=ro&uri=true")
    config.load.cache_clear()
    found = next(iter(base.ledger(Site(config.load()), "")))
    assert found.status is Status.FAILED
    assert "readonly" in found.detail


def test_no_worker_is_fine_until_a_job_waits_for_one() -> None:
    from blue_wizard.jobs import client
    from blue_wizard.jobs.model import Plan

    (line,) = base.worker(Site(config.load()), "")
    assert line.status is Status.OK
    job = client.submit(Plan("x", "toy", steps=()), approved=True)
    (line,) = base.worker(Site(config.load()), "")
    assert line.status is Status.WARNING
    assert job in line.detail


class _Cloud:
    """Answers as it is told."""

    def __init__(self, errors: dict[str, Exception]) -> None:
        self.project_id, self._errors = "p1", errors

    def get(self, service: str, path: str) -> dict[str, Any]:
        for word, error in self._errors.items():
            if word in f"{service} {path}":
                raise error
        return {}


def _lines(monkeypatch: pytest.MonkeyPatch, errors: dict[str, Exception]) -> dict[str, Line]:
    monkeypatch.setattr(openstack, "connect", lambda _name: _Cloud(errors))
    return {line.what: line for line in clouds.cloud(Site(config.load()), "mine")}


def test_a_cloud_that_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {line.status for line in _lines(monkeypatch, {}).values()} == {Status.OK}


def test_a_service_that_is_down_and_a_user_without_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = openstack.ApiError("compute", "GET", "/servers", 403, "Policy forbids")
    found = _lines(monkeypatch, {"network": StepFailed("down"), "all_tenants": refusal})
    assert found["cloud mine: service network"].status is Status.FAILED
    assert found["cloud mine: service compute"].status is Status.OK
    assert found["cloud mine: rights of an administrator"].status is Status.FAILED
    found = _lines(monkeypatch, {"all_tenants": StepFailed("down")})
    assert found["cloud mine: rights of an administrator"].status is Status.UNKNOWN


def test_a_service_that_hangs_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hangs(_Cloud):
        def get(self, service: str, path: str) -> dict[str, Any]:
            if service == "network":
                threading.Event().wait()
            return super().get(service, path)

    monkeypatch.setattr(clouds, "_SERVICE_S", 0.1)
    monkeypatch.setattr(openstack, "connect", lambda _name: Hangs({}))
    found = {line.what: line.status for line in clouds.cloud(Site(config.load()), "mine")}
    assert found["cloud mine: service network"] is Status.UNKNOWN
    assert found["cloud mine: service compute"] is Status.OK


def test_a_login_that_fails_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def connect(name: str) -> None:
        tries.append(name)
        raise InputError("wrong password")

    monkeypatch.setattr(openstack, "connect", connect)
    site = Site(config.load())
    assert [line.status for line in clouds.cloud(site, "mine")] == [Status.FAILED]
    with pytest.raises(InputError):
        site.cloud("mine")
    assert tries == ["mine"]


@pytest.mark.parametrize(("may_write", "status"), [(True, Status.OK), (False, Status.FAILED)])
def test_the_right_to_write_into_the_pool(
    may_write: bool, status: Status, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pool:
        def free(self) -> int:
            return 1 << 30

        def may_write(self) -> bool:
            return may_write

    @contextmanager
    def open_pool(_access: object) -> Iterator[Pool]:
        yield Pool()

    monkeypatch.setattr(ceph, "open_pool", open_pool)
    file = tmp_path / "config.yaml"
    file.write_text("clouds: {mine: {ceph: {pool: volumes, client: cinder}}}\n")
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
    (line,) = clouds.ceph(Site(config.load()), "mine")
    assert (line.status, "volumes" in line.what) == (status, True)


def test_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        schemes = ("silent",)

        def __init__(self, url: str) -> None:
            self.url = url

    class Telling(Silent):
        schemes = ("telling",)

        def reachable(self) -> None:
            if "down" in self.url:
                raise InputError("it is down", "start it")

    for made in (Silent, Telling):
        monkeypatch.setitem(migrate_sources._registry, made.schemes[0], made)
    urls = {
        "here": tmp_path,
        "also": f"files://{tmp_path}",
        "gone": tmp_path / "gone",
        "odd": "odd://x",
        "silent": "silent://x",
        "up": "telling://up",
        "down": "telling://down",
    }
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"sources": {name: {"url": str(url)} for name, url in urls.items()}}))
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
    site = Site(config.load())
    found = {name: [line.status.value for line in hosts.sources(site, name)] for name in site.settings.sources}
    assert found == {
        "here": ["ok"],
        "also": ["ok"],
        "gone": ["failed"],
        "odd": ["failed"],
        "silent": ["unknown"],
        "up": ["ok"],
        "down": ["failed"],
    }


def test_a_check_of_a_plugin_takes_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from blue_wizard.doctor.model import check, ok\n@check('mine')\ndef mine(site, item):\n    yield ok('mine')\n"
    )
    (tmp_path / "my_doctor.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("BLUE_WIZARD_PLUGINS", "my_doctor")
    try:
        assert "mine" in [c.id for c in model.checks()]
    finally:
        model._registry.pop("mine", None)


def test_a_bad_configuration_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("hosts: {a: {port: many}}\n")
    assert main(["--config", str(file), "doctor"]) == 2
    assert "hosts.a.port" in capsys.readouterr().err


def test_hosts_are_listed_with_where_they_are_known_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("hosts: {a: {address: 10.0.0.1, groups: [x]}}\n")
    assert main(["--config", str(file), "hosts", "-o", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["name"], found["origins"], found["groups"]) == ("a", ["config"], ["x"])

from __future__ import annotations

import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blue_wizard import config
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.reach import vsphere, vsphere_access
from blue_wizard.reach.vsphere import Center, _pages, plain
from blue_wizard.reach.vsphere_access import Access, Trust, access, password, split

URL = "vsphere://administrator%40vsphere.local@vc.example.org:8443/"


def _center() -> Center:
    where = Access(URL, "vc.example.org", 8443, "administrator@vsphere.local", config.SourceConfig(url=URL))
    return Center(where, Trust(ssl.create_default_context()), "not a real one")


def test_the_url_names_host_port_and_user() -> None:
    assert split(URL) == ("vc.example.org", 8443, "administrator@vsphere.local")
    assert split("vsphere://root@esx1") == ("esx1", 443, "root")


@pytest.mark.parametrize(
    "url",
    ["vsphere://vc.example.org/", "vsphere://u:secret-word@vc/", "vsphere://u@vc/folder", "vsphere://u@vc:99999/"],
)
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InputError) as e:
        split(url)
    assert "secret-word" not in e.value.message


def test_the_password_comes_from_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("correct horse\n")
    file.chmod(0o644)
    where = Access(URL, "vc", 443, "root", config.SourceConfig(url=URL, password_file=file))
    with pytest.raises(InputError, match="can be read by others"):
        password(where)
    file.chmod(0o600)
    assert password(where) == "correct horse"


def test_the_password_comes_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    where = Access(URL, "vc", 443, "root", config.SourceConfig(url=URL, password_env="VC_WORD"))
    with pytest.raises(InputError, match="VC_WORD"):
        password(where)
    monkeypatch.setenv("VC_WORD", "correct horse")
    assert password(where) == "correct horse"


def test_without_a_password_the_configuration_is_named() -> None:
    with pytest.raises(InputError) as e:
        password(access(URL))
    assert "password_file" in e.value.hint


def test_settings_are_found_by_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_WIZARD_SOURCES__VC__URL", URL.rstrip("/"))
    monkeypatch.setenv("BLUE_WIZARD_SOURCES__VC__PASSWORD_ENV", "VC_WORD")
    config.load.cache_clear()
    assert access(URL).settings.password_env == "VC_WORD"


def test_a_sha1_thumbprint_is_refused() -> None:
    where = Access(URL, "vc", 443, "root", config.SourceConfig(url=URL, thumbprint="ab:" * 19 + "ab"))
    with pytest.raises(InputError, match="SHA-256"):
        vsphere_access.trust(where)


def test_an_answer_with_a_token_is_not_the_last_one() -> None:
    from pyVmomi import vim

    def page(first: int, token: str | None) -> Any:
        objects = [
            SimpleNamespace(
                obj=vim.Folder(f"group-{i}", None), propSet=[SimpleNamespace(name="name", val=f"f{i}")], missingSet=[]
            )
            for i in range(first, first + 2)
        ]
        return SimpleNamespace(objects=objects, token=token)

    asked: list[str] = []
    pages = {"a": page(2, "b"), "b": page(4, None)}
    collector = SimpleNamespace(
        RetrievePropertiesEx=lambda _specs, _options: page(0, "a"),
        ContinueRetrievePropertiesEx=lambda token: asked.append(token) or pages[token],
    )
    found = _pages(collector, None, 2)
    assert [f.id for f in found] == [f"group-{i}" for i in range(6)]
    assert (found[0].type, found[5].props["name"], asked) == ("Folder", "f5", ["a", "b"])


def test_properties_that_are_missing_for_want_of_a_session_are_no_answer() -> None:
    """Some servers give the objects all the same: a machine without its configuration, which then looks orphaned."""
    from pyVmomi import vim

    entry = SimpleNamespace(
        obj=vim.VirtualMachine("vm-1", None),
        propSet=[],
        missingSet=[SimpleNamespace(path="name", fault=vim.fault.NotAuthenticated())],
    )
    page = SimpleNamespace(objects=[entry], token=None)
    with pytest.raises(vim.fault.NotAuthenticated):
        _pages(SimpleNamespace(RetrievePropertiesEx=lambda _specs, _options: page), None, 1)
    # What the user may not see is just not there.
    entry.missingSet[0].fault = vim.fault.NoPermission()
    assert _pages(SimpleNamespace(RetrievePropertiesEx=lambda _specs, _options: page), None, 1)[0].props == {}


def test_plain_values_keep_types_and_leave_out_what_is_not_set() -> None:
    from pyVmomi import vim

    disk = vim.vm.device.VirtualDisk(key=2000, capacityInKB=1024, unitNumber=0)
    disk.backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
        fileName="[ds] a.vmdk", datastore=vim.Datastore("datastore-1", None)
    )
    found = plain([disk])[0]
    assert found["_type"] == "vim.vm.device.VirtualDisk"
    assert found["unitNumber"] == 0
    assert found["backing"]["datastore"] == "datastore-1"
    assert "controllerKey" not in found


def test_an_expired_session_is_renewed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyVmomi import vim

    center = _center()
    renewed: list[int] = []
    monkeypatch.setattr(center, "renew", renewed.append)
    answers: list[Any] = [vim.fault.NotAuthenticated(), "fine"]

    def ask(_content: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert center.call(ask) == "fine"
    assert renewed == [0]
    answers[:] = [vim.fault.NotAuthenticated(), vim.fault.NotAuthenticated()]
    with pytest.raises(StepFailed, match="NotAuthenticated"):
        center.call(ask)


def test_missing_rights_are_no_reason_to_log_in_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyVmomi import vim

    center = _center()
    monkeypatch.setattr(center, "renew", lambda _g: pytest.fail("logged in again"))

    def ask(_content: Any) -> Any:
        raise vim.fault.NoPermission(msg="Permission to perform this operation was denied.")

    with pytest.raises(StepFailed, match="Permission"):
        center.call(ask)


def test_reads_are_repeated_and_effects_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vsphere.time, "sleep", lambda _s: None)
    center = _center()
    asked: list[int] = []

    def ask(_content: Any) -> str:
        asked.append(1)
        if len(asked) < 3:
            raise ConnectionResetError("reset")
        return "fine"

    assert center.call(ask) == "fine"
    asked.clear()
    with pytest.raises(StepFailed, match="reset"):
        center.call(ask, reads=False)
    assert len(asked) == 1


def test_a_wrong_password_is_not_tried_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_WIZARD_SOURCES__VC__URL", URL)
    monkeypatch.setenv("BLUE_WIZARD_SOURCES__VC__PASSWORD_ENV", "VC_WORD")
    monkeypatch.setenv("VC_WORD", "wrong horse")
    config.load.cache_clear()
    monkeypatch.setattr(vsphere, "_refused", {})
    tries: list[int] = []

    def refuse(_self: Center, generation: int) -> None:
        tries.append(generation)
        raise vsphere.LoginRefused("refused")

    monkeypatch.setattr(Center, "renew", refuse)
    for _again in range(3):
        with pytest.raises(InputError, match="refused"):
            vsphere.connect(URL)
    assert tries == [0]

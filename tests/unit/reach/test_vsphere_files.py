"""Reads over a scripted transport: what a server can do to a download."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import urllib3

from blue_wizard import config
from blue_wizard.errors import StepFailed
from blue_wizard.reach import vsphere_files
from blue_wizard.reach.vsphere import Center
from blue_wizard.reach.vsphere_access import Access, Trust
from blue_wizard.reach.vsphere_files import RemoteFile, _Answer, url_of

DATA = bytes(range(256)) * 5 + b"tail"


@pytest.fixture
def center(monkeypatch: pytest.MonkeyPatch) -> Center:
    monkeypatch.setattr(vsphere_files.time, "sleep", lambda _s: None)
    url = "vsphere://root@vc/"
    center = Center(
        Access(url, "vc", 443, "root", config.SourceConfig(url=url)), Trust(ssl.create_default_context()), "x"
    )

    def renew(generation: int) -> None:
        assert generation == center.generation
        center.generation += 1

    monkeypatch.setattr(center, "renew", renew)
    return center


def _good(offset: int, length: int) -> _Answer:
    data = DATA[offset : offset + length]
    return _Answer(
        206, "", f"bytes {offset}-{offset + len(data) - 1}/{len(DATA)}", "Wed, 25 Nov 2026 03:00:00 GMT", data
    )


def _file(center: Center, monkeypatch: pytest.MonkeyPatch, *script: Any) -> RemoteFile:
    """A file whose reads meet the script's answers first, and good ones afterwards; its opening is always good."""
    left = [None, *script]

    def get(_self: RemoteFile, offset: int, length: int) -> _Answer:
        answer = left.pop(0) if left else None
        if isinstance(answer, Exception):
            raise answer
        return answer or _good(offset, length)

    monkeypatch.setattr(RemoteFile, "_get", get)
    return RemoteFile(center, "https://vc:443/folder/a/b-flat.vmdk?dcPath=DC&dsName=ds")


def test_names_are_quoted_in_the_url(center: Center) -> None:
    assert url_of(center, "Halle Süd", "ds & one", "网/a b-flat.vmdk") == (
        "https://vc:443/folder/%E7%BD%91/a%20b-flat.vmdk?dcPath=Halle%20S%C3%BCd&dsName=ds%20%26%20one"
    )


def test_ranges_up_to_the_odd_end(center: Center, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _file(center, monkeypatch)
    assert file.size == len(DATA) == 1284
    assert file.read(1000, 284) == DATA[1000:]
    assert file.read(5, 0) == b""
    assert file.stamp() == "1284 Wed, 25 Nov 2026 03:00:00 GMT"


@pytest.mark.parametrize(
    "trouble",
    [
        _Answer(206, "", f"bytes 0-9/{len(DATA)}", "", b"short"),
        _Answer(206, "", f"bytes 7-16/{len(DATA)}", "", b"otherplace"),
        _Answer(503, "Service Unavailable", "", "", b""),
        urllib3.exceptions.ProtocolError("Connection broken: IncompleteRead"),
        urllib3.exceptions.ReadTimeoutError(None, "/", "timed out"),  # type: ignore[arg-type]
        ConnectionResetError("reset"),
    ],
    ids=["cut-off", "other-place", "503", "broken", "timeout", "reset"],
)
def test_a_bad_answer_is_asked_again(center: Center, monkeypatch: pytest.MonkeyPatch, trouble: Any) -> None:
    assert _file(center, monkeypatch, trouble, trouble).read(0, 10) == DATA[:10]
    with pytest.raises(StepFailed, match=r"a/b-flat\.vmdk can't be read from vc"):
        _file(center, monkeypatch, *[trouble] * 5).read(0, 10)


def test_an_expired_session_is_renewed(center: Center, monkeypatch: pytest.MonkeyPatch) -> None:
    expired = _Answer(401, "Unauthorized", "", "", b"")
    assert _file(center, monkeypatch, expired).read(0, 10) == DATA[:10]
    assert center.generation == 1
    with pytest.raises(StepFailed, match="session has expired"):
        _file(center, monkeypatch, *[expired] * 5).read(0, 10)


def test_a_server_that_ignores_ranges_is_refused_at_once(center: Center, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StepFailed, match="ignores ranges"):
        _file(center, monkeypatch, _Answer(200, "OK", "", "", b"")).read(0, 10)


def test_a_file_that_is_gone_is_told(center: Center, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StepFailed, match="not on the datastore"):
        _file(center, monkeypatch, _Answer(404, "Not Found", "", "", b"")).read(0, 10)

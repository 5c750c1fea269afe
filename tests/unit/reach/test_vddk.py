"""How nbdkit is told to read by VMware's library, and what the configuration takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from blue_wizard.config import SourceConfig, VddkConfig
from blue_wizard.errors import InputError
from blue_wizard.reach import vddk
from blue_wizard.reach.vsphere_access import Access

URL = "vsphere://op%40vsphere.local@vc1:8443/"


def line(place: vddk.Place, **settings: Any) -> list[str]:
    where = Access(URL, "vc1", 8443, "op@vsphere.local", SourceConfig(url=URL))
    made = VddkConfig(libdir=Path("/opt/vddk"), **settings)
    return vddk.argv(made, where, "AA:BB", place, Path("/run/x/socket"), 7)


def test_a_machine_that_is_off_is_read_without_a_snapshot() -> None:
    assert line(vddk.Place("vm-16", "[ds (1)] a b/a.vmdk")) == [
        "nbdkit", "--foreground", "--exit-with-parent", "--readonly", "--unix", "/run/x/socket",
        "--filter=blocksize", "--filter=retry", "vddk", "minblock=512", "maxdata=2M", "retries=3", "retry-delay=2",
        "libdir=/opt/vddk", "server=vc1", "port=8443", "user=op@vsphere.local", "password=-7", "thumbprint=AA:BB",
        "vm=moref=vm-16", "transports=nbdssl", "compression=none", "file=[ds (1)] a b/a.vmdk",
    ]  # fmt: skip


def test_a_snapshot_and_what_the_configuration_says() -> None:
    plugin = "/usr/local/lib/nbdkit/plugins/nbdkit-vddk-plugin.so"
    found = line(
        vddk.Place("12", "[ds] a.vmdk", "snapshot-3"), plugin=plugin, transports="san:nbdssl", compression="skipz"
    )
    assert found[8] == plugin
    assert {"snapshot=snapshot-3", "transports=san:nbdssl", "compression=skipz"} <= set(found)


def test_without_nbdkit_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="nbdkit is not installed") as found:
        vddk.look(VddkConfig(libdir=tmp_path))
    assert "nbdkit" in found.value.hint


@pytest.mark.parametrize("transports", ["hotadd", "nbdssl:hotadd", "nbdssl:", ""])
def test_hotadd_and_nonsense_are_no_transports(transports: str) -> None:
    with pytest.raises(ValidationError, match="transports"):
        VddkConfig(libdir=Path("/opt/vddk"), transports=transports)


def test_wanting_the_library_needs_its_folder() -> None:
    with pytest.raises(ValidationError, match="needs the folder of the library"):
        SourceConfig(url=URL, read="vddk")

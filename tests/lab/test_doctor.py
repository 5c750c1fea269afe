"""The doctor on a whole cloud: all is well, and what is spoilt is told, each by its own line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.sshd import keygen

from .conftest import Lab

pytestmark = pytest.mark.lab


def _lines(lab: Lab, code: int) -> dict[str, dict[str, Any]]:
    return {line["what"]: line for line in lab.json("doctor", code=code)["lines"]}


def _configuration(lab: Lab, folder: Path) -> dict[str, Any]:
    """The lab's configuration, to be spoilt; `blue-wizard` uses the copy from now on."""
    lab.extra["BLUE_WIZARD_CONFIG"] = str(folder / "config.yaml")
    found: dict[str, Any] = yaml.safe_load(Path(lab.env["BLUE_WIZARD_CONFIG"]).read_text())
    return found


def test_all_is_well(lab: Lab) -> None:
    found = _lines(lab, code=0)
    assert {line["status"] for line in found.values()} == {"ok"}, found
    assert {f"host {name}" for name in ("ctl1", "net1", "cmp1", "cmp2", "kvm1")} <= set(found)
    assert {"cloud lab: login", "cloud lab: service network", "source kvm1", "ledger", "nbdcopy"} <= set(found)


def test_a_changed_host_key_a_weak_user_and_a_pool_that_is_not_there(lab: Lab, tmp_path: Path) -> None:
    spoilt = _configuration(lab, tmp_path)
    known = Path(spoilt["ssh"]["known_hosts"]).read_text().splitlines()
    other = keygen(tmp_path / "other")
    lines = [f"{line.split()[0]} {other}" if line.startswith("cmp1,") else line for line in known]
    (tmp_path / "known_hosts").write_text("\n".join(lines) + "\n")
    spoilt["ssh"]["known_hosts"] = str(tmp_path / "known_hosts")
    spoilt["clouds"]["lab"]["ceph"]["pool"] = "no-such-pool"
    spoilt["clouds"]["lab-demo"] = {}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(spoilt))
    found = _lines(lab, code=1)
    bad = {what: line["detail"] for what, line in found.items() if line["status"] == "failed"}
    assert "The host key of cmp1 has CHANGED" in bad.pop("host cmp1")
    assert "no-such-pool" in bad.pop("Ceph of cloud lab: pool no-such-pool as client.cinder")
    assert "may not be seen" in bad.pop("cloud lab-demo: rights of an administrator")
    # Nova tells its hosts to administrators only.
    assert set(bad) == {"hosts from nova:lab-demo"}
    assert found["host cmp2"]["status"] == "ok"


def test_a_ceph_client_that_may_only_read(lab: Lab, tmp_path: Path) -> None:
    spoilt = _configuration(lab, tmp_path)
    client = "blue-wizard-reader"
    ceph = ["ceph", "-c", lab.env["CEPH_CONF"], "auth"]
    caps = ["mon", "profile rbd", "osd", "profile rbd-read-only pool=volumes"]
    made = lab.on("ctl1", *ceph, "get-or-create", f"client.{client}", *caps)
    try:
        keyring = tmp_path / "keyring"
        keyring.write_text(made)
        conf = tmp_path / "ceph.conf"
        conf.write_text(Path(lab.env["CEPH_CONF"]).read_text() + f"\n[client.{client}]\nkeyring = {keyring}\n")
        spoilt["clouds"]["lab"]["ceph"] = {"conf": str(conf), "client": client, "pool": "volumes"}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(spoilt))
        line = _lines(lab, code=1)[f"Ceph of cloud lab: pool volumes as client.{client}"]
        assert (line["status"], line["detail"]) == ("failed", "may not be written to")
    finally:
        lab.on("ctl1", *ceph, "rm", f"client.{client}")


def test_the_inventory_joins_the_configuration_and_nova(lab: Lab) -> None:
    hosts = {h["name"]: h for h in json.loads(lab.bw("hosts", "-o", "json").stdout)}
    assert hosts["cmp1"]["origins"] == ["config", "nova:lab"]
    assert "nova-compute" in hosts["cmp1"]["groups"]
    assert hosts["cmp1"]["address"] == "10.99.0.12"

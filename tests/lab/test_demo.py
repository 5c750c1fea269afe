"""`make demo` does what README says, and does it again."""

from __future__ import annotations

import re
import subprocess

import pytest

from .conftest import ROOT, Lab

# Three machines move, with --whole twice, and come back: on a slow machine that takes long.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]


def test_the_demonstration(lab: Lab, request: pytest.FixtureRequest) -> None:
    for _round in range(2 if request.config.getoption("--whole") else 1):
        done = subprocess.run([ROOT / "lab" / "demo"], capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        last = done.stdout[done.stdout.rindex("SHA-256") :]
        assert len(re.findall(r"\b[0-9a-f]{12}\b", last)) == 4  # two single disks, and two of the Debian guest
        assert last.count("✓") == 4
        for server in ("web", "db", "shop"):
            lab.run("guest", server, "ping")
    state = lab.env["BLUE_WIZARD_CONFIG"].rpartition("/")[0]
    lab.extra = {"BLUE_WIZARD_STATE_DIR": f"{state}/blue-wizard"}
    lab.bw("migrate", "rollback", f"{state}/demo/files.yaml", f"{state}/demo/kvm.yaml", "--yes")
    assert "running" in lab.on("kvm1", "virsh", "-c", "qemu:///system", "domstate", "shop")

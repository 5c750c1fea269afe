"""The lab as tests see it: the public command line on one side, independent eyes on the other."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from blue_wizard.jobs.polling import pause_s

from .lab_logs import pytest_runtest_makereport, pytest_runtest_setup  # noqa: F401

if TYPE_CHECKING:
    from .host_cloud import Cloud

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Lab:
    """`env` are the variables that `lab/lab env` prints; each test gets a state folder of its own."""

    env: dict[str, str]
    state: Path
    extra: dict[str, str] = field(default_factory=dict)

    def bw(self, *args: str | Path, code: int | None = 0, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run blue-wizard as a user would; `code` is the exit code that it must have (None: any)."""
        done = subprocess.run(
            [ROOT / ".venv" / "bin" / "blue-wizard", *args],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if code is not None:
            assert done.returncode == code, (
                f"{args}: exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
            )
        return done

    def json(self, *args: str | Path, code: int | None = 0, timeout: float = 900) -> Any:
        """The same with ``-o json``, read."""
        return json.loads(self.bw(*args, "-o", "json", code=code, timeout=timeout).stdout)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith(("BLUE_WIZARD_", "OS_"))},
            **self.env,
            "BLUE_WIZARD_STATE_DIR": str(self.state),
            **self.extra,
        }

    def run(self, *args: str, code: int | None = 0, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run `lab/lab ARGS`."""
        done = subprocess.run(
            [ROOT / "lab" / "lab", *args], capture_output=True, text=True, timeout=timeout, check=False
        )
        if code is not None:
            assert done.returncode == code, (
                f"lab {args}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        return done

    def on(self, host: str, *argv: str, code: int | None = 0) -> str:
        """Run a command on a lab host; its stdout."""
        return self.run("exec", host, "--", *argv, code=code).stdout

    def connect(self) -> Any:
        """An openstacksdk connection as the cloud's administrator."""
        import openstack
        from openstack.config import OpenStackConfig

        loader = OpenStackConfig(config_files=[self.env["OS_CLIENT_CONFIG_FILE"]])
        return openstack.connection.Connection(config=loader.get_one(cloud=self.env["OS_CLOUD"]))

    def inventory(self) -> dict[str, set[str]]:
        """What a migration can leave behind: ids of servers, ports of guests, volumes, flavors, and RBD images."""
        cloud = self.connect()
        return {
            "servers": {s.id for s in cloud.compute.servers(details=False, all_projects=True)},
            "ports": {p.id for p in cloud.network.ports() if not p.device_owner.startswith("network:")},
            "volumes": {v.id for v in cloud.block_storage.volumes(details=False, all_projects=True)},
            "flavors": {f.id for f in cloud.compute.flavors()},
            "images": set(json.loads(self.rbd("ls", "volumes", "--format", "json"))),
        }

    def rbd(self, *args: str) -> str:
        """The `rbd` command, with the operator's access."""
        argv = ["rbd", *args, "--conf", self.env["CEPH_CONF"]]
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=self.environment).stdout

    def rbd_sha256(self, image: str, size: int) -> str:
        """SHA-256 of the first `size` bytes of POOL/IMAGE, read by `rbd export` and not by the product."""
        argv = ["rbd", "export", "--no-progress", image, "-", "--conf", self.env["CEPH_CONF"]]
        return _sha256(argv, size, self.environment)


def _sha256(argv: list[str], size: int | None, env: dict[str, str] | None = None) -> str:
    digest = hashlib.sha256()
    left = size
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=env) as child:
        assert child.stdout is not None
        while chunk := child.stdout.read(4 << 20):
            digest.update(chunk if left is None else chunk[:left])
            left = None if left is None else max(0, left - len(chunk))
    assert child.returncode == 0, shlex.join(argv)
    return digest.hexdigest()


def image_sha256(path: Path, fmt: str, scratch: Path) -> str:
    """SHA-256 of the virtual disk in an image file, read by `qemu-img convert` and not by the product."""
    raw = scratch / f"{path.name}.raw"
    subprocess.run(["qemu-img", "convert", "-f", fmt, "-O", "raw", path, raw], check=True)
    found = _sha256(["cat", str(raw)], None)
    raw.unlink()
    return found


def until(condition: Callable[[], Any], what: str, timeout: float = 120) -> Any:
    """The first true value of `condition`; fails naming what was waited for."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < timeout:
        if value := condition():
            return value
        # Most conditions start programs, on the machine whose work is waited for.
        time.sleep(pause_s(waited, 0.2))
    raise AssertionError(f"waited {timeout} s in vain for {what}")


@pytest.fixture(scope="session")
def _environment(_lab_up: None) -> dict[str, str]:
    printed = subprocess.run([ROOT / "lab" / "lab", "env"], check=True, capture_output=True, text=True).stdout
    words = [w for w in shlex.split(printed, comments=True) if "=" in w]
    return dict(w.removeprefix("export ").split("=", 1) for w in words)


@pytest.fixture
def lab(_environment: dict[str, str], tmp_path: Path) -> Lab:
    """The lab, up; jobs of the test live in a folder of its own."""
    return Lab(env=dict(_environment), state=tmp_path / "state")


@pytest.fixture(scope="session")
def images(_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the fixtures of the demonstration: web.ova, db.vhdx."""
    folder = tmp_path_factory.mktemp("images")
    subprocess.run([ROOT / "lab" / "lab", "fixture", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def _host_image(_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    from .host_cloud import uploaded

    yield from uploaded(Lab(_environment, tmp_path_factory.mktemp("state")))


@pytest.fixture
def cloud(lab: Lab, _host_image: None) -> Iterator[Cloud]:
    """The compute hosts, in service, and servers of the test's own on them (for tests of host maintenance)."""
    from .host_cloud import tidy

    yield from tidy(lab)

"""OpenStack's control plane on the controller of each cloud: databases, APIs, schedulers, the volume service."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from lab.hosts import log_of, on, running, spawn
from lab.parts import has, part
from lab.parts.infra import make_user, sql
from lab.run import run
from lab.site import CLOUDS, LAB, PORTS, ROOT, STATE, Cloud, exports, fill, passwords

CTL = LAB.controller
SECRET = "5b0b2a1c-7f5e-4a53-9d3b-0b1a6c0f1a2b"
"""The UUID under which libvirt keeps the key of client.cinder (a name, not the key)."""
DATABASES = ("keystone", "glance", "placement", "nova_api", "nova", "nova_cell0", "neutron", "cinder")
UWSGI = ["uwsgi", "--plugins", "python3", "--master", "--processes", "1", "--threads", "4", "--enable-threads",
         "--lazy-apps", "--buffer-size", "65535", "--add-header", "Connection: close", "--die-on-term",
         "--thunder-lock", "--no-orphans"]  # fmt: skip


config = LAB.config


def _configure(cloud: Cloud) -> None:
    for name in ("keystone.conf", "placement.conf", "nova.conf", "neutron.conf", "cinder.conf", "glance-api.conf"):
        _write(cloud.config(name), fill(name, cloud=cloud, SECRET=SECRET))
    _write(cloud.etc / "neutron" / "ml2.ini", fill(f"ml2{cloud.suffix}.ini", cloud=cloud))
    for folder in ("lock", "nova/instances", "neutron", "cinder", "glance/staging", "glance/tasks", "keystone"):
        (cloud.folder / folder).mkdir(parents=True, exist_ok=True)
    text = "clouds:\n" + "".join(fill("clouds.yaml", cloud=c) for c in CLOUDS.values() if has(c.extra))
    _write(STATE / "clouds.yaml", text)
    _write(cloud.folder / "blue-wizard.yaml", fill(f"blue-wizard{cloud.suffix}.yaml", cloud=cloud))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)


def _configured(cloud: Cloud) -> bool:
    return (cloud.folder / "blue-wizard.yaml").exists()


def _databases(cloud: Cloud) -> None:
    make_user(cloud)
    sql("".join(f"create database if not exists {d};" for d in DATABASES), cloud)
    config = cloud.config

    def steps(*commands: list[str]) -> None:
        for command in commands:
            on(cloud.controller, command)

    keystone = ["keystone-manage", "--config-file", str(config("keystone.conf"))]
    as_root = ["--keystone-user", "root", "--keystone-group", "root"]
    nova = ["nova-manage", "--config-file", str(config("nova.conf"))]
    neutron = ["neutron-db-manage", "--config-file", str(config("neutron.conf")),
               "--config-file", str(cloud.etc / "neutron" / "ml2.ini"), "upgrade", "heads"]  # fmt: skip
    chains = (
        (
            [*keystone, "db_sync"],
            [*keystone, "fernet_setup", *as_root],
            [*keystone, "credential_setup", *as_root],
            ["placement-manage", "--config-dir", str(config("placement.conf").parent), "db", "sync"],
        ),
        (
            [*nova, "api_db", "sync"],
            [*nova, "cell_v2", "map_cell0"],
            [*nova, "cell_v2", "create_cell", "--name", "cell1"],
            [*nova, "db", "sync"],
        ),
        (neutron,),
        (
            ["cinder-manage", "--config-file", str(config("cinder.conf")), "db", "sync"],
            ["glance-manage", "--config-file", str(config("glance-api.conf")), "db_sync"],
        ),
    )
    with ThreadPoolExecutor(len(chains)) as pool:
        list(pool.map(lambda chain: steps(*chain), chains))
    url = f"http://{cloud.controller.address}:{PORTS['keystone']}/v3"
    bootstrap = [*keystone, "bootstrap", "--bootstrap-region-id", "RegionOne"]
    for interface in ("admin", "public", "internal"):
        bootstrap += [f"--bootstrap-{interface}-url", url]
    on(cloud.controller, bootstrap, env={"OS_BOOTSTRAP_PASSWORD": passwords()["admin"]})
    sql("create database if not exists lab; create table if not exists lab.synced (done int);", cloud)


def _synced(cloud: Cloud) -> bool:
    return "synced" in sql("show tables in lab", cloud)


def answers(port: int, path: str = "/", cloud: Cloud = LAB) -> bool:
    """True when an HTTP service on the controller answers, be it with a refusal."""
    try:
        with urllib.request.urlopen(f"http://{cloud.controller.address}:{port}{path}", timeout=10) as reply:
            return bool(reply.status < 500)
    except urllib.error.HTTPError as e:
        return e.code < 500
    except OSError:
        return False


def seed(task: str, cloud: Cloud = LAB) -> str:
    """Run one task of `lab/seed.py` on a cloud in a process of its own (the SDK takes a second to import); what it prints."""
    env = {**os.environ, **exports(), "PYTHONPATH": str(ROOT)}
    env = {k: v for k, v in env.items() if not k.startswith("OS_") or k in exports()}
    return run([ROOT / ".venv" / "bin" / "python", "-m", "lab.seed", cloud.name, task], env=env, timeout=180)


def _control_plane(cloud: Cloud) -> None:
    """Register the parts of a cloud's control plane."""
    host, config, end, of = cloud.controller, cloud.config, cloud.suffix, cloud.extra

    def named(needs: tuple[str, ...]) -> tuple[str, ...]:
        # There is one Ceph, with pools for each cloud.
        return tuple(("pools" if end and n == "ceph" else n) + end for n in needs)

    def step(
        name: str, needs: tuple[str, ...], start: Callable[[], None], alive: Callable[[], bool], timeout: float = 120
    ) -> None:
        part(name + end, needs=needs, start=start, alive=alive, timeout=timeout, of=of)

    def service(name: str, argv: list[str], port: str, path: str, needs: tuple[str, ...], **env: str) -> None:
        part(
            name + end,
            needs=named(needs),
            start=partial(spawn, host, name, argv, env=env),
            alive=lambda: running(host, name) and answers(PORTS[port], path, cloud),
            waits_for=f"the API of {name}{end}",
            log=log_of(host, name),
            of=of,
        )

    def daemon(name: str, argv: list[str], needs: tuple[str, ...]) -> None:
        part(
            name + end,
            needs=named(needs),
            start=partial(spawn, host, name, argv),
            alive=lambda: running(host, name) and seed(f"alive:{name}", cloud) == "up\n",
            waits_for=f"{name}{end} to report itself",
            log=log_of(host, name),
            of=of,
        )

    step("config", (f"host:{host.name}",), partial(_configure, cloud), partial(_configured, cloud))
    step("databases", named(("mariadb", "config")), partial(_databases, cloud), partial(_synced, cloud), timeout=30)
    service(
        "keystone",
        [*UWSGI, "--http-socket", f"0.0.0.0:{PORTS['keystone']}", "--wsgi-file", "/usr/bin/keystone-wsgi-public"],
        "keystone",
        "/v3",
        ("databases", "memcached"),
        OS_KEYSTONE_CONFIG_DIR=str(cloud.etc / "keystone"),
        OS_KEYSTONE_CONFIG_FILES="keystone.conf",
    )
    step(
        "catalog",
        named(("keystone",)),
        lambda: print(end=seed("catalog", cloud)),
        lambda: seed("has-catalog", cloud) == "up\n",
    )
    service(
        "placement",
        [*UWSGI, "--http-socket", f"0.0.0.0:{PORTS['placement']}", "--wsgi-file", "/usr/bin/placement-api"],
        "placement",
        "/",
        ("catalog",),
        OS_PLACEMENT_CONFIG_DIR=str(cloud.etc / "placement"),
    )
    service(
        "glance", ["glance-api", "--config-file", str(config("glance-api.conf"))], "glance", "/", ("catalog", "ceph")
    )
    nova = ["--config-file", str(config("nova.conf"))]
    service("nova-api", ["nova-api", *nova], "nova", "/", ("catalog", "rabbitmq"))
    neutron = ["--config-file", str(config("neutron.conf")), "--config-file", str(cloud.etc / "neutron" / "ml2.ini")]
    network = ("ovn",) if cloud.ovn else ()
    service("neutron", ["neutron-server", *neutron], "neutron", "/", ("catalog", "rabbitmq", *network))
    cinder = ["--config-file", str(config("cinder.conf"))]
    service("cinder-api", ["cinder-api", *cinder], "cinder", "/", ("catalog", "rabbitmq"))
    daemon("nova-conductor", ["nova-conductor", *nova], ("nova-api",))
    daemon("nova-scheduler", ["nova-scheduler", *nova], ("nova-api", "placement"))
    daemon("cinder-scheduler", ["cinder-scheduler", *cinder], ("cinder-api",))
    daemon("cinder-volume", ["cinder-volume", *cinder], ("cinder-api", "ceph"))


for _c in CLOUDS.values():
    _control_plane(_c)

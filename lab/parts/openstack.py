"""OpenStack's control plane on ctl1: databases, APIs, schedulers, the volume service."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from lab.hosts import log_of, on, running, spawn
from lab.parts import part
from lab.parts.infra import make_user, sql
from lab.run import run
from lab.site import CONTROLLER, HOSTS, PORTS, ROOT, STATE, exports, fill, passwords

CTL = HOSTS["ctl1"]
ETC = STATE / "etc"
SECRET = "5b0b2a1c-7f5e-4a53-9d3b-0b1a6c0f1a2b"
"""The UUID under which libvirt keeps the key of client.cinder (a name, not the key)."""
DATABASES = ("keystone", "glance", "placement", "nova_api", "nova", "nova_cell0", "neutron", "cinder")
UWSGI = ["uwsgi", "--plugins", "python3", "--master", "--processes", "1", "--threads", "4", "--enable-threads",
         "--lazy-apps", "--buffer-size", "65535", "--add-header", "Connection: close", "--die-on-term",
         "--thunder-lock", "--no-orphans"]  # fmt: skip


def config(name: str, folder: str = "") -> Path:
    """Where the configuration made of the template `name` lies."""
    return ETC / (folder or name.removesuffix(".conf")) / name


def _configure() -> None:
    for name in ("keystone.conf", "placement.conf", "nova.conf", "neutron.conf", "cinder.conf", "glance-api.conf"):
        _write(config(name), fill(name, SECRET=SECRET))
    _write(ETC / "neutron" / "ml2.ini", fill("ml2.ini"))
    for folder in ("lock", "nova/instances", "neutron", "cinder", "glance/staging", "glance/tasks", "keystone"):
        (STATE / folder).mkdir(parents=True, exist_ok=True)
    _write(STATE / "clouds.yaml", fill("clouds.yaml"))
    _write(STATE / "blue-wizard.yaml", fill("blue-wizard.yaml"))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)


def _configured() -> bool:
    return (STATE / "blue-wizard.yaml").exists()


def _databases() -> None:
    make_user()
    sql("".join(f"create database if not exists {d};" for d in DATABASES))

    def steps(*commands: list[str]) -> None:
        for command in commands:
            on(CTL, command)

    keystone = ["keystone-manage", "--config-file", str(config("keystone.conf"))]
    as_root = ["--keystone-user", "root", "--keystone-group", "root"]
    nova = ["nova-manage", "--config-file", str(config("nova.conf"))]
    neutron = ["neutron-db-manage", "--config-file", str(config("neutron.conf")),
               "--config-file", str(ETC / "neutron" / "ml2.ini"), "upgrade", "heads"]  # fmt: skip
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
    url = f"http://{CONTROLLER}:{PORTS['keystone']}/v3"
    bootstrap = [*keystone, "bootstrap", "--bootstrap-region-id", "RegionOne"]
    for interface in ("admin", "public", "internal"):
        bootstrap += [f"--bootstrap-{interface}-url", url]
    on(CTL, bootstrap, env={"OS_BOOTSTRAP_PASSWORD": passwords()["admin"]})
    sql("create database if not exists lab; create table if not exists lab.synced (done int);")


def _synced() -> bool:
    return "synced" in sql("show tables in lab")


def answers(port: int, path: str = "/") -> bool:
    """True when an HTTP service on ctl1 answers, be it with a refusal."""
    try:
        with urllib.request.urlopen(f"http://{CONTROLLER}:{port}{path}", timeout=10) as reply:
            return bool(reply.status < 500)
    except urllib.error.HTTPError as e:
        return e.code < 500
    except OSError:
        return False


def seed(task: str) -> str:
    """Run one task of `lab/seed.py` in a process of its own (the SDK takes a second to import); what it prints."""
    env = {**os.environ, **exports(), "PYTHONPATH": str(ROOT)}
    env = {k: v for k, v in env.items() if not k.startswith("OS_") or k in exports()}
    return run([ROOT / ".venv" / "bin" / "python", "-m", "lab.seed", task], env=env, timeout=180)


def _service(name: str, argv: list[str], port: str, path: str, needs: tuple[str, ...], **env: str) -> None:
    part(
        name,
        needs=needs,
        start=partial(spawn, CTL, name, argv, env=env),
        alive=lambda: running(CTL, name) and answers(PORTS[port], path),
        waits_for=f"the API of {name}",
        log=log_of(CTL, name),
    )


def _daemon(name: str, argv: list[str], needs: tuple[str, ...]) -> None:
    part(
        name,
        needs=needs,
        start=partial(spawn, CTL, name, argv),
        alive=lambda: running(CTL, name) and seed(f"alive:{name}") == "up\n",
        waits_for=f"{name} to report itself",
        log=log_of(CTL, name),
    )


part("config", needs=("host:ctl1",), start=_configure, alive=_configured)
part("databases", needs=("mariadb", "config"), start=_databases, alive=_synced, timeout=30)
_service(
    "keystone",
    [*UWSGI, "--http-socket", f"0.0.0.0:{PORTS['keystone']}", "--wsgi-file", "/usr/bin/keystone-wsgi-public"],
    "keystone",
    "/v3",
    ("databases", "memcached"),
    OS_KEYSTONE_CONFIG_DIR=str(ETC / "keystone"),
    OS_KEYSTONE_CONFIG_FILES="keystone.conf",
)
part(
    "catalog",
    needs=("keystone",),
    start=lambda: print(end=seed("catalog")),
    alive=lambda: seed("has-catalog") == "up\n",
)
_service(
    "placement",
    [*UWSGI, "--http-socket", f"0.0.0.0:{PORTS['placement']}", "--wsgi-file", "/usr/bin/placement-api"],
    "placement",
    "/",
    ("catalog",),
    OS_PLACEMENT_CONFIG_DIR=str(ETC / "placement"),
)
_service("glance", ["glance-api", "--config-file", str(config("glance-api.conf"))], "glance", "/", ("catalog", "ceph"))
_nova = ["--config-file", str(config("nova.conf"))]
_service("nova-api", ["nova-api", *_nova], "nova", "/", ("catalog", "rabbitmq"))
_neutron = ["--config-file", str(config("neutron.conf")), "--config-file", str(ETC / "neutron" / "ml2.ini")]
_service("neutron", ["neutron-server", *_neutron], "neutron", "/", ("catalog", "rabbitmq"))
_cinder = ["--config-file", str(config("cinder.conf"))]
_service("cinder-api", ["cinder-api", *_cinder], "cinder", "/", ("catalog", "rabbitmq"))
_daemon("nova-conductor", ["nova-conductor", *_nova], ("nova-api",))
_daemon("nova-scheduler", ["nova-scheduler", *_nova], ("nova-api", "placement"))
_daemon("cinder-scheduler", ["cinder-scheduler", *_cinder], ("cinder-api",))
_daemon("cinder-volume", ["cinder-volume", *_cinder], ("cinder-api", "ceph"))

"""Database, message queue and cache, on the controller of each cloud."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lab.hosts import enter, log_of, on, running, spawn
from lab.parts import part
from lab.run import ok
from lab.site import CLOUDS, LAB, Cloud, Host, fill, passwords


def socket(cloud: Cloud) -> Path:
    """The socket of a cloud's database."""
    return cloud.folder / "mysql" / "mysql.sock"


def rabbit(cloud: Cloud) -> dict[str, str]:
    """The environment of a cloud's message queue and of its tools."""
    folder = cloud.folder / "rabbit"
    return {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": "lab@localhost",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_DIST_PORT": "25672",
        # Idle schedulers must not spin: there are two cores for everything.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
    }


SOCKET = socket(LAB)
RABBIT = rabbit(LAB)


def sql(statement: str, cloud: Cloud = LAB) -> str:
    """Run SQL as the database's root; what it prints."""
    # By stdin: an argv can be read by everybody on the machine.
    return on(cloud.controller, ["mariadb", "--no-defaults", "-uroot", "-S", socket(cloud), "-N"], stdin=statement)


def _database(cloud: Cloud) -> None:
    data = cloud.folder / "mysql" / "data"
    if not (data / "mysql").exists():
        data.mkdir(parents=True, exist_ok=True)
        on(cloud.controller, ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}",
                 "--auth-root-authentication-method=normal", "--skip-test-db"])  # fmt: skip
    # The data is thrown away with the lab: no waiting for the disk.
    command = ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={socket(cloud)}",
               f"--pid-file={cloud.folder}/mysql/pid", "--port=3306", "--bind-address=0.0.0.0",
               "--skip-name-resolve", "--max-connections=1500", "--skip-log-bin",
               "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync",
               "--innodb-doublewrite=0", "--innodb-buffer-pool-size=256M", "--performance-schema=OFF",
               "--character-set-server=utf8mb3", "--skip-ssl"]  # fmt: skip
    spawn(cloud.controller, "mariadb", command)


def _database_answers(cloud: Cloud) -> bool:
    return running(cloud.controller, "mariadb") and ok(
        [*enter(cloud.controller), "mariadb", "--no-defaults", "-uroot", "-S", str(socket(cloud)), "-e", "select 1"]
    )


def _queue(cloud: Cloud) -> None:
    folder = cloud.folder / "rabbit"
    (folder / "log").mkdir(parents=True, exist_ok=True)
    (folder / "rabbitmq.conf").touch(mode=0o600)
    (folder / "rabbitmq.conf").write_text(fill("rabbitmq.conf", cloud=cloud))
    (folder / "enabled_plugins").write_text("[].\n")
    spawn(cloud.controller, "rabbitmq", ["/usr/lib/rabbitmq/bin/rabbitmq-server"], env=rabbit(cloud))


def _queue_answers(host: Host) -> bool:
    # A full AMQP greeting: the port alone opens before the node takes logins.
    script = "import socket; s=socket.create_connection(('127.0.0.1',5672),3); s.sendall(b'AMQP\\0\\0\\x09\\x01'); "
    return running(host, "rabbitmq") and ok(
        [*enter(host), "/usr/bin/python3", "-c", script + "s.settimeout(3); assert s.recv(8)[:1] == b'\\x01'"]
    )


def _cache(host: Host) -> None:
    spawn(host, "memcached", ["memcached", "-u", "root", "-l", "0.0.0.0", "-p", "11211", "-m", "64"])


def _cache_answers(host: Host) -> bool:
    return running(host, "memcached") and ok([*enter(host), "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/11211"])


def make_user(cloud: Cloud) -> None:
    """The database user that all services of a cloud share."""
    who = f"lab@'%' identified by '{passwords()['database']}'"
    sql(f"create user if not exists {who}; grant all on *.* to lab@'%';", cloud)


for _c in CLOUDS.values():
    _ctl = _c.controller
    for _name, _start, _alive in (
        ("mariadb", partial(_database, _c), partial(_database_answers, _c)),
        ("rabbitmq", partial(_queue, _c), partial(_queue_answers, _ctl)),
        ("memcached", partial(_cache, _ctl), partial(_cache_answers, _ctl)),
    ):
        part(
            _name + _c.suffix,
            needs=(f"host:{_ctl.name}",),
            start=_start,
            alive=_alive,
            log=log_of(_ctl, _name),
            of=_c.extra,
        )

"""Database, message queue and cache, on ctl1."""

from __future__ import annotations

from lab.hosts import enter, log_of, on, running, spawn
from lab.parts import part
from lab.run import ok
from lab.site import HOSTS, STATE, fill, passwords

CTL = HOSTS["ctl1"]
SOCKET = STATE / "mysql" / "mysql.sock"
RABBIT = {
    "HOME": str(STATE / "rabbit"),
    "RABBITMQ_NODENAME": "lab@localhost",
    "RABBITMQ_MNESIA_BASE": str(STATE / "rabbit" / "mnesia"),
    "RABBITMQ_LOG_BASE": str(STATE / "rabbit" / "log"),
    "RABBITMQ_CONFIG_FILE": str(STATE / "rabbit" / "rabbitmq"),
    "RABBITMQ_ENABLED_PLUGINS_FILE": str(STATE / "rabbit" / "enabled_plugins"),
    "RABBITMQ_DIST_PORT": "25672",
    # Idle schedulers must not spin: there are two cores for everything.
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
}


def sql(statement: str) -> str:
    """Run SQL as the database's root; what it prints."""
    # By stdin: an argv can be read by everybody on the machine.
    return on(CTL, ["mariadb", "--no-defaults", "-uroot", "-S", SOCKET, "-N"], stdin=statement)


def _database() -> None:
    data = STATE / "mysql" / "data"
    if not (data / "mysql").exists():
        data.mkdir(parents=True, exist_ok=True)
        on(CTL, ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}",
                 "--auth-root-authentication-method=normal", "--skip-test-db"])  # fmt: skip
    # The data is thrown away with the lab: no waiting for the disk.
    spawn(CTL, "mariadb", ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={SOCKET}",
                           f"--pid-file={STATE}/mysql/pid", "--port=3306", "--bind-address=0.0.0.0",
                           "--skip-name-resolve", "--max-connections=1500", "--skip-log-bin",
                           "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync",
                           "--innodb-doublewrite=0", "--innodb-buffer-pool-size=256M", "--performance-schema=OFF",
                           "--character-set-server=utf8mb3", "--skip-ssl"])  # fmt: skip


def _database_answers() -> bool:
    return running(CTL, "mariadb") and ok(
        [*enter(CTL), "mariadb", "--no-defaults", "-uroot", "-S", str(SOCKET), "-e", "select 1"]
    )


def _queue() -> None:
    folder = STATE / "rabbit"
    (folder / "log").mkdir(parents=True, exist_ok=True)
    (folder / "rabbitmq.conf").touch(mode=0o600)
    (folder / "rabbitmq.conf").write_text(fill("rabbitmq.conf"))
    (folder / "enabled_plugins").write_text("[].\n")
    spawn(CTL, "rabbitmq", ["/usr/lib/rabbitmq/bin/rabbitmq-server"], env=RABBIT)


def _queue_answers() -> bool:
    # A full AMQP greeting: the port alone opens before the node takes logins.
    script = "import socket; s=socket.create_connection(('127.0.0.1',5672),3); s.sendall(b'AMQP\\0\\0\\x09\\x01'); "
    return running(CTL, "rabbitmq") and ok(
        [*enter(CTL), "/usr/bin/python3", "-c", script + "s.settimeout(3); assert s.recv(8)[:1] == b'\\x01'"]
    )


def _cache() -> None:
    spawn(CTL, "memcached", ["memcached", "-u", "root", "-l", "0.0.0.0", "-p", "11211", "-m", "64"])


def _cache_answers() -> bool:
    return running(CTL, "memcached") and ok([*enter(CTL), "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/11211"])


def make_user() -> None:
    """The database user that all services share."""
    sql(f"create user if not exists lab@'%' identified by '{passwords()['database']}'; grant all on *.* to lab@'%';")


part("mariadb", needs=("host:ctl1",), start=_database, alive=_database_answers, log=log_of(CTL, "mariadb"))
part("rabbitmq", needs=("host:ctl1",), start=_queue, alive=_queue_answers, log=log_of(CTL, "rabbitmq"))
part("memcached", needs=("host:ctl1",), start=_cache, alive=_cache_answers, log=log_of(CTL, "memcached"))

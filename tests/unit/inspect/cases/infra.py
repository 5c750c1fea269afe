"""RabbitMQ, MariaDB, memcached, certificates."""

from __future__ import annotations

from blue_wizard.facts.machine import Listener, Listeners
from blue_wizard.facts.mariadb import DatabaseServer
from blue_wizard.facts.memcached import Memcached
from blue_wizard.facts.rabbitmq import Queue, RabbitNode, RabbitQueues, RabbitUse
from blue_wizard.inspect.fetch.machine import Certificates
from blue_wizard.inspect.fetch.served import ServedCertificates

from .base import DAY, NOW, at, case

_ANY = "0.0.0.0"  # noqa: S104
_OK = at("ctl1", RabbitNode("c", ("a", "b", "c"), ("a", "b", "c")))
_QUIET = at("ctl1", RabbitQueues((Queue("/", "compute", consumers=1),)))


def _rabbit(**values: object) -> object:
    return at("ctl1", RabbitNode("c", **values))  # type: ignore[arg-type]


def _queues(rows: tuple[Queue, ...]) -> object:
    return at("ctl1", RabbitQueues(rows))


def _queue(name: str, ready: int = 0, unacknowledged: int = 0, consumers: int = 1, state: str = "running") -> Queue:
    return Queue("/", name, ready, unacknowledged, consumers, state)


case("rabbitmq.partition", bad=[_rabbit(partitions=("a | b",))], finds=["c"], good=[_OK])
case(
    "rabbitmq.node-missing",
    bad=[_rabbit(running=("a", "b"), members=("a", "b", "c"))],
    finds={"c": "warning"},
    good=[_OK],
)
case("rabbitmq.alarm", bad=[_rabbit(alarms=("a memory",))], finds=["a memory"], good=[_OK])
case(
    "rabbitmq.resources",
    bad=[at("ctl1", RabbitUse((900, 1000), (90, 100), (60, 50)))],
    finds=["file descriptors", "memory", "disk"],
    good=[at("ctl1", RabbitUse((100, 1000), (20, 100), (500, 50)))],
)
case(
    "rabbitmq.no-consumer",
    bad=[_queues((_queue("compute.cmp1", 3, consumers=0),))],
    finds=["//compute.cmp1"],
    good=[
        _queues(
            (
                _queue("compute.cmp1", 3),
                _queue("reply_1", 3, consumers=0),
                _queue("l3_agent_fanout_1", 2, consumers=0),
                _queue("notifications.info", 9, consumers=0),
            )
        )
    ],
)
case(
    "rabbitmq.backlog",
    bad=[_queues((_queue("conductor", 1500), _queue("q-plugin", 20000), _queue("x", 0, 1200)))],
    finds={"//conductor": "warning", "//q-plugin": "critical", "//x": "warning"},
    good=[_queues((_queue("conductor", 20, 30),))],
)
case(
    "rabbitmq.notifications",
    bad=[_queues((_queue("notifications.info", 20000, consumers=0),))],
    finds=["//notifications.info"],
    good=[_queues((_queue("notifications.info", 20, consumers=0), _queue("conductor", 20000)))],
)
case(
    "rabbitmq.queue-down",
    bad=[_queues((_queue("conductor", state="down"),))],
    finds=["//conductor"],
    good=[_QUIET],
)
case(
    "rabbitmq.versions",
    bad=[_rabbit(versions=("3.10.8", "3.12.1"), flags_off=("stream_queue",))],
    finds=["versions", "feature flags"],
    good=[_rabbit(versions=("3.10.8",))],
)

_GALERA = {"wsrep_on": "ON", "max_connections": "1000"}
_WELL = {
    "wsrep_cluster_status": "Primary",
    "wsrep_ready": "ON",
    "wsrep_connected": "ON",
    "wsrep_cluster_size": "3",
    "wsrep_local_state_comment": "Synced",
    "wsrep_cluster_state_uuid": "u",
    "threads_connected": "50",
}


def _galera(host: str, **status: str) -> object:
    return at(host, DatabaseServer({**_WELL, **status}, _GALERA))


_THREE = [_galera("ctl1"), _galera("ctl2"), _galera("ctl3")]
_ALONE = at(
    "ctl1",
    DatabaseServer({"wsrep_cluster_status": "Disconnected", "threads_connected": "10"}, {"max_connections": "100"}),
)

case(
    "mariadb.cluster",
    bad=[_galera("ctl1", wsrep_cluster_status="non-Primary")],
    finds=["galera"],
    good=[*_THREE, at("x", _ALONE.fact)],
)
case(
    "mariadb.cluster-size",
    bad=[_galera("ctl1", wsrep_cluster_size="2"), _galera("ctl2", wsrep_cluster_size="2"),
         _galera("ctl3", wsrep_cluster_size="1", wsrep_cluster_state_uuid="v")],
    finds={"galera": "warning", "galera state": "critical"},
    good=_THREE,
)  # fmt: skip
case(
    "mariadb.not-synced",
    bad=[_galera("ctl2", wsrep_local_state_comment="Donor/Desynced")],
    finds=["galera"],
    good=[*_THREE, at("x", _ALONE.fact)],
)
case("mariadb.flow-control", bad=[_galera("ctl2", wsrep_flow_control_paused="0.4")], finds=["galera"], good=_THREE)
case(
    "mariadb.connections",
    bad=[
        _galera("ctl1", threads_connected="850"),
        _galera("ctl2", threads_connected="990"),
        _galera("ctl3", max_used_connections="1000"),
    ],
    finds={"connections": "critical"},
    good=[*_THREE, at("x", _ALONE.fact)],
)
case(
    "mariadb.long-transaction",
    bad=[at("ctl1", DatabaseServer(_WELL, _GALERA, (("42", 900),)))],
    finds=["transaction 42"],
    good=[at("ctl1", DatabaseServer(_WELL, _GALERA, (("42", 90),)))],
)
case(
    "memcached.connections",
    bad=[at("ctl1", Memcached(connections=(900, 1024))), at("ctl2", Memcached(connections=(1, 1024), refused=3))],
    finds=["memcached"],
    good=[at("ctl1", Memcached(connections=(20, 1024)))],
)
case(
    "memcached.evictions",
    bad=[at("ctl1", Memcached(evictions=100000, age_s=7200))],
    finds=["memcached"],
    good=[at("ctl1", Memcached(evictions=100, age_s=7200)), at("ctl2", Memcached(evictions=5000, age_s=600))],
)
case(
    "memcached.exposed",
    bad=[at("ctl1", Listeners((Listener("tcp", _ANY, 11211), Listener("udp", "*", 11211))))],
    finds={"tcp 0.0.0.0:11211": "info", "udp *:11211": "warning"},
    good=[at("ctl1", Listeners((Listener("tcp", "10.0.0.1", 11211), Listener("tcp", _ANY, 22))))],
)
case(
    "cert.file-expiry",
    bad=[
        at(
            "ctl1",
            Certificates((("/etc/haproxy/a.pem", "CN=a", NOW + 9 * DAY), ("/etc/haproxy/b.pem", "CN=b", NOW + DAY))),
        )
    ],
    finds={"/etc/haproxy/a.pem": "warning", "/etc/haproxy/b.pem": "critical"},
    good=[at("ctl1", Certificates((("/etc/haproxy/a.pem", "CN=a", NOW + 90 * DAY),)))],
)
case(
    "cert.served-expiry",
    bad=[ServedCertificates((("api:443", "CN=api", NOW + 9 * DAY), ("api:5000", "CN=api", NOW - DAY)))],
    finds={"api:443": "warning", "api:5000": "critical"},
    good=[ServedCertificates((("api:443", "CN=api", NOW + 90 * DAY),))],
)

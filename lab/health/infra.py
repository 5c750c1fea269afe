"""Database, message queue, and Keystone's catalogue."""

from __future__ import annotations

from lab.faults import Change
from lab.health import planting
from lab.health.changes import cells, inserted, process
from lab.health.ground import Ground
from lab.parts.infra import RABBIT
from lab.site import STATE

_ENV = "".join(f"export {k}='{v}'\n" for k, v in RABBIT.items())
_CTL = "/usr/lib/rabbitmq/bin/rabbitmqctl -q -n $RABBITMQ_NODENAME"
_CLIENT = """
import amqp, re, sys, time
name, count, reads = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "reads"
text = open("{conf}").read()
with_ = dict(re.findall(r"^(default_user|default_pass) = (.*)$", text, re.M))
c = amqp.Connection("127.0.0.1:5672", with_["default_user"], with_["default_pass"], virtual_host="lab")
c.connect()
ch = c.channel()
ch.queue_declare(name, durable=True, auto_delete=False)
for _ in range(count):
    ch.basic_publish(amqp.Message("x"), routing_key=name)
if reads:
    ch.basic_qos(0, 1, False)
    ch.basic_consume(name, callback=lambda m: None)
    while True:
        try:
            c.drain_events(timeout=5)
        except TimeoutError:
            pass
c.close()
"""


def _queue(name: str, count: int, *, reads: bool = False) -> list[Change]:
    script = "/run/lab/bw-amqp.py"
    write = f"cat > {script} <<'PY'\n{_CLIENT.format(conf=STATE / 'rabbit' / 'rabbitmq.conf')}PY"
    gone = f"{_ENV}{_CTL} list_queues -p lab name --no-table-headers | grep -qx {name} || exit 0\n{_CTL} delete_queue -p lab {name}"
    ready = (
        f"{_ENV}{_CTL} list_queues -p lab name messages consumers --no-table-headers | grep -qP "
        f"'^{name}\\t{count}\\t{int(reads)}$'"
    )
    run = f"/usr/bin/python3 {script} {name} {count}"
    changes = [Change("ctl1", write, f"rm -f {script}")]
    if reads:
        return [*changes, Change("ctl1", "", gone), process("ctl1", "bw-amqp", f"{run} reads", ready)]
    return [*changes, Change("ctl1", f"{run} -", gone, ready)]


@planting("queue-unread", check="rabbitmq.no-consumer", object="lab/bw-health")
def _(_: Ground) -> list[Change]:
    return _queue("bw-health", 20)


@planting("queue-too-long", check="rabbitmq.backlog", object="lab/bw-health")
def _(_: Ground) -> list[Change]:
    return _queue("bw-health", 1500, reads=True)


@planting("notifications-unread", check="rabbitmq.notifications", object="lab/notifications.bw-health")
def _(_: Ground) -> list[Change]:
    return _queue("notifications.bw-health", 10050)


@planting(
    "queue-alarm",
    check="rabbitmq.alarm",
    object="lab@localhost disk resource_limit",
    severity="critical",
    note="nobody may publish while it lasts",
)
def _(_: Ground) -> list[Change]:
    return [
        Change(
            "ctl1",
            f"{_ENV}{_CTL} set_disk_free_limit 100000GB",
            f"{_ENV}{_CTL} set_disk_free_limit 50MB",
            f"{_ENV}{_CTL} cluster_status --formatter json | grep -q '\"alarms\":.[^]]'",
            f"{_ENV}{_CTL} cluster_status --formatter json | grep -q '\"alarms\":\\[\\]'",
        )
    ]


@planting("connections-run-out", check="mariadb.connections", object="connections")
def _(g: Ground) -> list[Change]:
    most, now = (
        g.ask(f"select variable_value from information_schema.{table} where variable_name='{name}'").strip()
        for table, name in (("global_variables", "max_connections"), ("global_status", "threads_connected"))
    )
    few = round(int(now) * 1.15)
    return [Change("sql", f"set global max_connections={few};", f"set global max_connections={most};")]


def _endpoint(g: Ground, like: str, interface: str, url: str) -> Change:
    service = f"(select id from keystone.service where type='{like}')"
    return inserted(
        "keystone.endpoint",
        f"id='{g['hex']}'",
        id=f"'{g['hex']}'",
        interface=f"'{interface}'",
        service_id=service,
        url=url,
        enabled="1",
        region_id="'RegionOne'",
        extra="'{}'",
    )


@planting("endpoint-twice", check="keystone.duplicate-endpoint", object="image RegionOne admin")
def _(g: Ground) -> list[Change]:
    return [_endpoint(g, "image", "admin", "'http://10.99.0.10:9292'")]


@planting("endpoint-silent", check="keystone.endpoint-silent", object="{hex}")
def _(g: Ground) -> list[Change]:
    return [_endpoint(g, "placement", "admin", "'http://10.99.0.10:9'")]


@planting("password-ends", check="keystone.password-expiry", object="{demo}")
def _(g: Ground) -> list[Change]:
    local = "local_user_id=(select id from keystone.local_user where name='demo')"
    soon = "utc_timestamp() + interval 3 day"
    since_1970 = f"timestampdiff(microsecond, '1970-01-01', {soon})"
    return [cells(g, "keystone.password", local, expires_at=soon, expires_at_int=since_1970)]

"""Placement: room that is held by nobody, by two, elsewhere, or not at all."""

from __future__ import annotations

from dataclasses import replace

from lab.faults import Change
from lab.health import planting
from lab.health.changes import ago, cells, inserted
from lab.health.ground import Ground

SERVER = ("server", "host", "provider")
_CLASSES = {"VCPU": 0, "MEMORY_MB": 1, "DISK_GB": 2}


def _provider(name: str) -> str:
    return f"(select id from (select id from placement.resource_providers where name='{name}') p)"


def _held(host: str, consumer: str, used: int, kind: str = "VCPU") -> Change:
    # Whoever asks for allocations is shown only those whose consumer has an owner.
    owned = (
        f"consumer_id='{consumer}' and resource_provider_id={_provider(host)} and resource_class_id={_CLASSES[kind]}"
    )
    return inserted(
        "placement.allocations",
        owned,
        resource_provider_id=_provider(host),
        consumer_id=f"'{consumer}'",
        resource_class_id=str(_CLASSES[kind]),
        used=str(used),
    )


def _consumer(consumer: str) -> Change:
    return inserted(
        "placement.consumers",
        f"uuid='{consumer}'",
        uuid=f"'{consumer}'",
        project_id="(select min(id) from placement.projects)",
        user_id="(select min(id) from placement.users)",
        generation="1",
    )


def _of_server(g: Ground, host: str = "") -> str:
    at = f" and resource_provider_id={_provider(host)}" if host else ""
    return f"consumer_id='{g['server']}'{at}"


@planting("leaked-allocation", check="cross.leaked-allocation", object="{id}", needs=("server",))
def _(g: Ground) -> list[Change]:
    return [_consumer(g.id), _held("cmp1", g.id, 1)]


@planting("over-capacity", check="placement.over-capacity", object="{provider_cmp2}:VCPU", needs=("server",))
def _(g: Ground) -> list[Change]:
    return [_consumer(g.id), _held("cmp2", g.id, 100000)]


@planting("doubled-allocation", check="cross.doubled-allocation", object="{server}", needs=SERVER)
def _(g: Ground) -> list[Change]:
    return [_held(g["other"], g["server"], 1)]


@planting("allocation-elsewhere", check="cross.allocation-host", object="{server}", needs=SERVER)
def _(g: Ground) -> list[Change]:
    return [_moved(g, "resource_provider_id", _provider(g["host"]), _provider(g["other"]))]


@planting("no-allocation", check="cross.no-allocation", object="{server}", needs=SERVER)
def _(g: Ground) -> list[Change]:
    return [_consumer(g.id), _moved(g, "consumer_id", f"'{g['server']}'", f"'{g.id}'")]


def _moved(g: Ground, column: str, old: str, new: str) -> Change:
    """All allocations of the server change a column; back by what it had been, which is one and the same for all."""
    others = f"consumer_id in ('{g['server']}', '{g.id}')"
    update = "update placement.allocations set {c}={new} where {others} and {c}={old};"
    return Change(
        "sql",
        update.format(c=column, new=new, old=old, others=others),
        update.format(c=column, new=old, old=new, others=others),
    )


@planting("allocation-amount", check="cross.allocation-amount", object="{server}", severity="info", needs=SERVER)
def _(g: Ground) -> list[Change]:
    return [cells(g, "placement.allocations", f"{_of_server(g)} and resource_class_id=0", used="used + 1")]


@planting("stale-provider", check="cross.provider-without-host", object="{id}")
def _(g: Ground) -> list[Change]:
    at = "(select id from (select id from placement.resource_providers where name='bw-health') p)"
    made = inserted(
        "placement.resource_providers",
        "id=990001",
        id="990001",
        uuid=f"'{g.id}'",
        name="'bw-health'",
        generation="1",
        root_provider_id="990001",
        created_at=ago(60),
        updated_at=ago(60),
    )
    return [
        # It is its own root, so no order of deletes would do.
        replace(made, undo=f"set foreign_key_checks=0; {made.undo}"),
        inserted(
            "placement.inventories", "resource_provider_id=990001", resource_provider_id=at, resource_class_id="1",
            total="1024", reserved="0", min_unit="1", max_unit="1024", step_size="1", allocation_ratio="1",
            created_at=ago(60), updated_at=ago(60),
        ),
    ]  # fmt: skip

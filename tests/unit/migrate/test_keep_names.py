"""The step that keeps names of cards: what it decides on the copy, and that a write which fails leaves the copy as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.facts.card_names import CardNames
from blue_wizard.migrate.card_rules import Written
from blue_wizard.migrate.targets import cards
from blue_wizard.migrate.targets.cards import SNAPSHOT, KeepNames

from .hands import Hands
from .test_card_rules import NEW, A, B, bound
from .test_convert_guest import COPIED, Killed, Pool, pool_of

CARDS = [{"port": "port.0", "was": A, "name": ""}]
ARGS: dict[str, Any] = {"cloud": "c", "name": "shop", "volumes": ["volume.0", "volume.1"], "cards": CARDS}


class Ctx(Hands):
    def __init__(self, mac: str = NEW) -> None:
        volumes = {f"volume.{i}": {"volume_id": v} for i, v in enumerate("ab")}
        super().__init__({**volumes, "port.0": {"mac": mac}, "port.1": {"mac": "fa:16:3e:00:00:02"}})


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    return pool_of(monkeypatch, cards)


def _guest(monkeypatch: pytest.MonkeyPatch, pool: Pool, found: CardNames | None, *ends: BaseException) -> list[Written]:
    """A guest with these names; writes that end so, and what was written."""
    wrote: list[Written] = []
    left = list(ends)

    def put(_uris: Sequence[str], files: Sequence[Written], _found: CardNames) -> None:
        pool.images["volume-a"] = "half written"
        if left:
            raise left.pop(0)
        wrote.extend(files)
        pool.images["volume-a"] = "named"

    monkeypatch.setattr(cards.card_files, "look", lambda _uris: found)
    monkeypatch.setattr(cards.card_files, "put", put)
    return wrote


def test_the_ports_own_address_gets_the_name(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    wrote = _guest(monkeypatch, pool, bound("ens192", links=True))
    ctx: Any = Ctx()
    assert KeepNames().do(ctx, ARGS) == {"names": {NEW: "ens192"}}
    assert NEW in wrote[0].text
    assert pool.kept == {image: {} for image in COPIED}


def test_what_is_not_needed_or_not_proved_is_not_written(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    for found, ctx, args, told in (
        (bound("", mac=A), Ctx(A), ARGS, ""),
        (None, Ctx(), ARGS, "No Linux"),
        (bound("ens192"), Ctx(), {**ARGS, "cards": [*CARDS, {"port": "port.1", "was": B, "name": ""}]}, "can't be proved"),
    ):  # fmt: skip
        wrote = _guest(monkeypatch, pool, found)
        hands: Any = ctx
        assert KeepNames().do(hands, args) == {"names": {}}
        assert wrote == []
        assert (told in "".join(ctx.events)) if told else not ctx.events
    assert pool.images == COPIED
    assert pool.kept == {image: {} for image in COPIED}


@pytest.mark.parametrize("end", [StepFailed("no space left on /"), Killed()])
def test_a_write_that_fails_leaves_the_copy_as_it_was(
    monkeypatch: pytest.MonkeyPatch, pool: Pool, end: BaseException
) -> None:
    wrote = _guest(monkeypatch, pool, bound("ens192"), end)
    ctx: Any = Ctx()
    with pytest.raises(type(end)):
        KeepNames().do(ctx, ARGS)
    assert pool.images == COPIED
    KeepNames().undo(ctx, ARGS, None)
    assert pool.kept == {image: {} for image in COPIED}
    KeepNames().do(ctx, ARGS)
    assert len(wrote) == 1


def test_killed_while_its_snapshots_go_nothing_is_written_again(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    wrote = _guest(monkeypatch, pool, bound("ens192"))
    ctx: Any = Ctx()
    pool.dies = 1
    with pytest.raises(Killed):
        KeepNames().do(ctx, ARGS)
    assert KeepNames().do(ctx, ARGS) == {"names": {NEW: "ens192"}}
    assert len(wrote) == 1
    assert SNAPSHOT not in {s for kept in pool.kept.values() for s in kept}

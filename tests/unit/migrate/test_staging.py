"""A staging file is complete or has another name, is used again after a crash, and goes with its job."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.operation import staging_findings
from blue_wizard.migrate.targets import origin, staging
from blue_wizard.migrate.targets.staging import RemoveStaged, StageDisk

from .hands import Hands
from .test_steps import make

SIZE = (2 << 20) + 512


class Staged(Hands):
    step_id = "stage.0"


@pytest.fixture
def args(tmp_path: Path) -> dict[str, Any]:
    source, folder = tmp_path / "m.raw", tmp_path / "staging"
    source.write_bytes(b"source" * 100000 + bytes(SIZE - 600000))
    folder.mkdir()
    return {"source": f"files://{source}", "machine": "m.raw", "disk": "m.raw", "size": SIZE, "folder": str(folder)}


@contextmanager
def _staged(args: dict[str, Any]) -> Iterator[tuple[Staged, Path]]:
    ctx = Staged({})
    outcome = StageDisk().do(ctx, args)
    ctx.outcomes["stage.0"] = outcome
    yield ctx, Path(outcome["path"])


def test_a_staged_disk_is_found_again_until_it_changes(args: dict[str, Any], tmp_path: Path) -> None:
    with _staged(args) as (ctx, file):
        assert [file] == list(Path(args["folder"]).iterdir())
        assert file.stat().st_mode & 0o077 == 0
        raw = tmp_path / "raw"
        subprocess.run(["qemu-img", "convert", "-O", "raw", file, raw], check=True)
        assert raw.read_bytes() == (tmp_path / "m.raw").read_bytes()
        assert StageDisk().probe(ctx, args) == ctx.outcomes["stage.0"]
        with origin.open_disk(ctx, {**args, "staged": "stage.0"}) as disk:
            assert disk.size == SIZE
        with file.open("ab") as f:
            f.write(b"x")
        assert StageDisk().probe(ctx, args) is None


def test_the_file_goes_when_it_has_done_its_work_and_an_import_without_it_says_so(args: dict[str, Any]) -> None:
    with _staged(args) as (ctx, file):
        for _twice in range(2):
            RemoveStaged().do(ctx, {"staged": "stage.0"})
        assert not file.exists()
        with pytest.raises(StepFailed, match="gone"), origin.open_disk(ctx, {**args, "staged": "stage.0"}):
            pass


def test_undo_removes_what_is_complete_and_what_is_not(args: dict[str, Any]) -> None:
    with _staged(args) as (ctx, file):
        file.with_suffix(".part").write_bytes(b"half")
        StageDisk().undo(ctx, args, None)
        assert list(file.parent.iterdir()) == []
        file.parent.rmdir()
        with pytest.raises(StepFailed, match="not there"):
            StageDisk().undo(ctx, args, None)


def test_a_copy_of_something_else_is_noticed(args: dict[str, Any]) -> None:
    ctx = Staged({"stage.0": {"sha256": "aa"}})
    with pytest.raises(StepFailed, match="differs"):
        origin.expect(ctx, {**args, "staged": "stage.0"}, "bb")
    origin.expect(ctx, args, "bb")


def test_no_room_for_it(args: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda _folder: type("", (), {"free": 4096}))
    with pytest.raises(StepFailed, match="0 MiB left"):
        StageDisk().do(Staged({}), args)
    assert list(Path(args["folder"]).iterdir()) == []


def test_the_folder_is_looked_at_when_the_plan_is_made(tmp_path: Path) -> None:
    assert staging_findings(make()) == []
    (there,) = staging_findings(make(staging=str(tmp_path)))
    assert there.holds
    (missing,) = staging_findings(make(staging=str(tmp_path / "nowhere")))
    assert (missing.holds, missing.input_error) == (False, True)
    wave = make(staging=str(tmp_path))
    huge = wave.vms[0].disks[0].model_copy(update={"size": 1 << 60})
    vm = wave.vms[0].model_copy(update={"disks": [huge, *wave.vms[0].disks[1:]]})
    (full,) = staging_findings(wave.model_copy(update={"vms": [vm]}))
    assert (full.holds, full.input_error) == (False, False)

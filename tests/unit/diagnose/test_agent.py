from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from blue_wizard.diagnose import agent
from blue_wizard.diagnose.agent import made

ROLES = ["clean", "listen", "send"]


def text(role: str) -> str:
    size, _newline, rest = agent.program(role).partition("\n")
    assert len(rest.encode()) == int(size)
    return rest


def test_these_are_the_roles() -> None:
    files = {p.stem for p in Path(agent.__file__).parent.glob("*.py")}
    assert files == {*ROLES, *agent.LOOK, "__init__", "base", "made"}


@pytest.mark.parametrize("role", ROLES)
def test_a_program_needs_only_python_3_6_and_its_own_library(role: str) -> None:
    tree = ast.parse(text(role), feature_version=(3, 6))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {n.split(".")[0] for n in names} <= set(sys.stdlib_module_names)


def run(role: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        agent.ARGV,
        input=agent.program(role) + "".join(w + "\n" for w in words),
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize("role", ROLES)
def test_a_program_ends_quietly_when_nobody_asks_anything(role: str) -> None:
    done = run(role)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_program_that_is_cut_off_is_not_run() -> None:
    sent = agent.program("listen")
    done = subprocess.run(agent.ARGV, input=sent[: len(sent) // 2], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "run" / "diagnose"
    monkeypatch.setattr(made, "FOLDER", str(found))
    return found


def test_a_record_is_this_process_own_and_goes_with_it(folder: Path) -> None:
    made.write_down("0badcafe", ["bw-0badcafe"])
    assert made.sweep() == {"removed": [], "running": ["0badcafe"], "failed": []}
    made.forget("0badcafe")
    assert not folder.parent.exists()


@pytest.mark.parametrize(
    "change",
    [{"started": 1}, {"boot": "another"}, {"pid": 2**22 + 1}, {"pid": 1}],
    ids=["number came again", "boot", "gone", "other"],
)
def test_a_record_of_a_dead_run_is_swept(folder: Path, change: dict[str, object]) -> None:
    made.write_down("0badcafe", ["bw-none-such"])
    file = folder / "0badcafe.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert made.sweep() == {"removed": ["record of run 0badcafe"], "running": [], "failed": []}
    assert not folder.parent.exists()


@pytest.mark.parametrize(
    "damage", ["", "{", '{"pid": 1}', "[]", "7", '{"pid": "x", "started": 1, "boot": "b", "links": [3]}']
)
def test_a_damaged_record_is_swept_too(folder: Path, damage: str) -> None:
    made.write_down("0badcafe", [])
    (folder / "0badcafe.json").write_text(damage)
    assert made.sweep()["removed"] == ["record of run 0badcafe"]


def test_a_draft_of_a_dead_run_is_swept_and_one_that_is_being_written_stays(folder: Path) -> None:
    made.write_down("0badcafe", [])
    record = json.loads((folder / "0badcafe.json").read_text())
    (folder / ".0badcaff").write_text(json.dumps({**record, "started": 1}))
    (folder / ".0badcafd").write_text('{"pid"')
    assert made.sweep() == {"removed": ["record of run 0badcaff"], "running": ["0badcafe"], "failed": []}
    assert sorted(p.name for p in folder.iterdir()) == [".0badcafd", "0badcafe.json"]


def test_what_is_not_ours_in_the_folder_stays(folder: Path) -> None:
    made.write_down("0badcafe", [])
    (folder / "notes.txt").write_text("mine")
    made.forget("0badcafe")
    assert [p.name for p in folder.iterdir()] == ["notes.txt"]


def test_nothing_is_swept_where_nothing_was(folder: Path) -> None:
    assert made.sweep() == {"removed": [], "running": [], "failed": []}

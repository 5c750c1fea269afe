"""The command line as a contract: exit codes, errors that name their object, both languages, no heavy imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blue_wizard.cli import main


def test_help_imports_no_client_library() -> None:
    code = (
        "import sys; from blue_wizard.cli import main; main(['--help'])\n"
        "heavy = {'dbos', 'openstack', 'asyncssh', 'sqlalchemy', 'nbd', 'rados', 'rbd'} & set(sys.modules)\n"
        "sys.exit(','.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_chinese_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "zh", "--help"]) == 0
    assert "把虚拟机迁入 OpenStack。" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["--lang", "fr", "job", "list"], "fr"),
        (["job", "nonsense"], "nonsense"),
        (["job", "show", "m-nothere"], "m-nothere"),
        (["migrate", "discover", "/not/there"], "/not/there"),
        (["migrate", "run", "/not/there.yaml"], "/not/there.yaml"),
        (["migrate", "run"], "wave"),
        (["migrate", "run", "/not/there.yaml", "--max-rate", "20X"], "20X"),
        (["migrate", "plan", "/", "--out", "/not/there.yaml", "--max-rate", "20X"], "20X"),
        (["--config", "/not/there.yaml", "job", "list"], "/not/there.yaml"),
    ],
)
def test_bad_input_is_named_and_exits_with_2(argv: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    shown = capsys.readouterr()
    assert word in shown.err
    assert shown.out == ""


def test_a_wrong_field_of_the_configuration_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("limits: {total: none}\n")
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    assert main(["job", "list"]) == 2
    assert "limits.total" in capsys.readouterr().err


def test_data_goes_to_stdout_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["job", "list", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []

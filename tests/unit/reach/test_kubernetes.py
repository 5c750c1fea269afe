"""kubectl as it is called, and what becomes of its refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from blue_wizard.config import KubernetesAccess
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.reach import kubernetes


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command of that name that is the only one on the PATH."""
    file = tmp_path / "kubectl"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return file


def _script(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_it_is_told_which_cluster(kubectl: Path) -> None:
    _script(kubectl, 'printf \'["%s"]\' "$*"')
    access = KubernetesAccess(name="prod", kubeconfig=Path("/x/config"), context="admin")
    (argv,) = kubernetes.ask(access, "get", "nodes")
    assert argv == "--request-timeout=20s --kubeconfig /x/config --context admin get nodes -o json"


def test_a_refusal_names_the_cluster(kubectl: Path) -> None:
    _script(kubectl, "echo 'Unauthorized' >&2; exit 1")
    with pytest.raises(StepFailed, match=r"prod refuses: Unauthorized"):
        kubernetes.ask(KubernetesAccess(name="prod"), "get", "nodes")


def test_without_kubectl_it_says_so(kubectl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(kubectl.parent))
    with pytest.raises(InputError, match="kubectl"):
        kubernetes.ask(KubernetesAccess(name="prod"), "version")

"""Kubernetes clusters by `kubectl`, which knows how to log in to them. No decisions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from blue_wizard import tracing
from blue_wizard.config import KubernetesAccess
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.text import _

__all__ = ["ask", "change"]

_TIMEOUT_S = 30


def ask(access: KubernetesAccess, *words: str) -> Any:
    """``kubectl WORDS -o json``, read. Raises InputError where there is no kubectl, StepFailed when it does not succeed."""
    return json.loads(_run(access, [*words, "-o", "json"], _TIMEOUT_S))


def change(access: KubernetesAccess, *words: str, timeout_s: float = _TIMEOUT_S) -> None:
    """Run a command that changes something (or would, with ``--dry-run``). Raises what `ask` raises."""
    _run(access, words, timeout_s)
    tracing.tell("argv", "localhost", " ".join(["kubectl", *words]), "exit 0")


def _run(access: KubernetesAccess, words: Sequence[str], timeout_s: float) -> bytes:
    argv = _argv(access, words)
    try:
        done = subprocess.run(argv, capture_output=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError as e:
        raise InputError(
            _("The command {name} is missing.").format(name="kubectl"),
            _("Install it where inspections run, or take the cluster {name} out of the configuration.").format(
                name=access.name
            ),
        ) from e
    except subprocess.TimeoutExpired as e:
        raise StepFailed(_("Kubernetes cluster {name} does not answer in time.").format(name=access.name)) from e
    if done.returncode != 0:
        error = done.stderr.decode(errors="replace").strip()[-500:]
        raise StepFailed(_("Kubernetes cluster {name} refuses: {error}").format(name=access.name, error=error))
    return done.stdout


def _argv(access: KubernetesAccess, words: Sequence[str]) -> list[str]:
    found = ["kubectl", "--request-timeout=20s"]
    if access.kubeconfig is not None:
        found += ["--kubeconfig", str(access.kubeconfig.expanduser())]
    if access.context:
        found += ["--context", access.context]
    return [*found, *words]

"""Kubernetes by `kubectl` on this machine. No decisions."""

from __future__ import annotations

import subprocess
from typing import Any

import orjson

from blue_wizard import config, tracing
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.text import _

__all__ = ["change", "read"]

_READ_S = 60.0


def read(cloud: str, *words: str) -> Any:
    """What ``kubectl WORDS -o json`` says. Raises StepFailed, InputError when there is no kubectl."""
    return orjson.loads(_run(cloud, [*words, "-o", "json"], _READ_S))


def change(cloud: str, *words: str, timeout_s: float = _READ_S) -> str:
    """Run a command that changes something (or would, with ``--dry-run``); what it says. Raises what `read` raises."""
    out = _run(cloud, list(words), timeout_s)
    tracing.tell("argv", "localhost", " ".join(["kubectl", *words]), "exit 0")
    return out


def _run(cloud: str, words: list[str], timeout_s: float) -> str:
    known = config.load().clouds.get(cloud)
    access = known.kubernetes if known and known.kubernetes else config.KubernetesAccess()
    where = [f"--kubeconfig={access.kubeconfig.expanduser()}"] if access.kubeconfig else []
    where += [f"--context={access.context}"] if access.context else []
    try:
        done = subprocess.run(
            ["kubectl", *where, *words], capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except FileNotFoundError as e:
        raise InputError(_("There is no kubectl on this machine.")) from e
    except subprocess.TimeoutExpired as e:
        raise StepFailed(
            _("kubectl {words} did not end in {seconds} s.").format(words=words[0], seconds=timeout_s)
        ) from e
    if done.returncode != 0:
        error = (done.stderr or done.stdout).strip()[-600:]
        raise StepFailed(_("kubectl {words} failed: {error}").format(words=words[0], error=error))
    return done.stdout

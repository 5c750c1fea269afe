"""What answers as ``powershell.exe`` on the lab's Hyper-V host: recorded answers, and a power state that is kept.

No Windows runs here. The answers are made as Microsoft documents the cmdlets; what is not among the scripts below is refused, so
a script that changes without its answer is noticed. Run by sshd in place of the command that the client asked for.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])
_DOWN_S = 2.0


def _say(answer: dict[str, Any]) -> None:
    text = base64.b64encode(json.dumps(answer, ensure_ascii=False).encode()).decode()
    sys.stdout.write("\r\n".join(text[i : i + 76] for i in range(0, len(text), 76)) + "\r\n")


def _power(change: dict[str, Any] | None = None) -> dict[str, Any]:
    """The power of each machine as {id: {state, until}}; one that shuts down is off a moment later."""
    with (FOLDER / "power.json").open("r+") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        found: dict[str, Any] = json.load(f)
        for one in found.values():
            if one.get("until") and time.time() > one["until"]:
                one.update(state="Off", until=0)
        found.update(change or {})
        f.seek(0)
        f.truncate()
        json.dump(found, f)
    return found


def _inventory(wanted: str) -> list[Any]:
    power = _power()
    machines: list[dict[str, Any]] = json.loads((FOLDER / "inventory.json").read_text())
    found = [{**m, "state": power[m["id"]]["state"]} for m in machines if wanted in {"", m["id"]}]
    if wanted and not found:
        raise LookupError(f'Hyper-V was unable to find a virtual machine with id "{wanted}".')
    return found


def _answer(script: str) -> list[Any]:
    one = re.search(r"(?:Get-VM -Id '|SystemName=')([0-9a-fA-F-]{36})'", script)
    vm = one[1].lower() if one else ""
    if "Get-VMHardDiskDrive" in script:
        return _inventory(vm)
    if "InitiateShutdown" in script:
        (found,) = _inventory(vm)
        if not found["shutdown"]:
            raise LookupError("the guest does not run the shutdown integration service")
        _power({vm: {"state": "Running", "until": time.time() + _DOWN_S}})
        return []
    if "Start-VM" in script:
        _inventory(vm)
        if _power()[vm]["state"] == "Off":
            _power({vm: {"state": "Running", "until": 0}})
        return []
    if "$vm.State" in script:
        (found,) = _inventory(vm)
        return [{"state": found["state"], "status": found["status"]}]
    if "PSVersionTable" in script:
        return ["5.1.20348.2849"]
    raise LookupError("this script was not recorded")


def main() -> int:
    """Answer the script that comes by the input."""
    if not os.environ.get("SSH_ORIGINAL_COMMAND", "").startswith(
        "powershell.exe -NoProfile -NonInteractive -EncodedCommand "
    ):
        sys.stderr.write("is not recognized as an internal or external command\r\n")
        return 1
    try:
        _say({"ok": True, "value": _answer(sys.stdin.read())})
    except LookupError as e:
        _say({"ok": False, "error": str(e), "id": "InvalidParameter,Microsoft.HyperV.PowerShell.Commands.GetVM"})
    return 0


if __name__ == "__main__":
    sys.exit(main())

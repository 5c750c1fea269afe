"""Commands on a host, and what they say: what `look.py` and its parts stand on. Python 3.6."""

import json
import os
import re
import shutil
import subprocess
from typing import Any, Dict, List, Optional, Tuple

Answer = Dict[str, Any]

LIMIT_S = 8


def run(argv: List[str], limit: int = LIMIT_S) -> Answer:
    """What a command wrote. rc 127: it is not there; 124: it did not end in time."""
    env = dict(os.environ, LC_ALL="C", PATH=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
        )
    except OSError as e:
        return {"rc": 127, "out": "", "err": str(e)}
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {"rc": 124, "out": "", "err": "no answer in %d s" % limit}
    return {"rc": process.returncode, "out": out.decode("utf-8", "replace"), "err": err.decode("utf-8", "replace")}


def read(path: str) -> Optional[str]:
    """A small file of /proc or /sys; None when it is not there."""
    try:
        with open(path) as f:
            return f.read()
    except (OSError, UnicodeDecodeError):
        return None


def container(names: Tuple[str, ...]) -> List[str]:
    """The words that run a command in the first of these containers that is up, and the runtime's name."""
    for runtime in ("docker", "podman"):
        if shutil.which(runtime):
            listed = run([runtime, "ps", "--format", "{{.Names}}"])
            up = listed["out"].split()
            for name in names:
                if name in up:
                    return [runtime, "exec", name]
    return []


def wrapping(tool: str, names: Tuple[str, ...]) -> List[str]:
    """How to run `tool`: on the host (nothing before it), else in its container."""
    return [] if shutil.which(tool) else container(names)


def rows(answer: Answer) -> List[List[Answer]]:
    """The tables of `ovs_database` as lists of dicts, in the order above."""
    decoder, text = json.JSONDecoder(), answer["out"].strip()
    found: List[List[Answer]] = []
    while text:
        table, end = decoder.raw_decode(text)
        found.append([dict(zip(table["headings"], row)) for row in table["data"]])
        text = text[end:].strip()
    return found


def as_map(value: Any) -> Dict[str, Any]:
    """An OVSDB map as a dict."""
    return dict(value[1]) if isinstance(value, list) and value and value[0] == "map" else {}


def as_set(value: Any) -> List[Any]:
    """An OVSDB set (or a single element) as a list."""
    return value[1] if isinstance(value, list) and value and value[0] == "set" else [value]


def processes(name: str) -> List[Answer]:
    """The processes of that name (in containers too), each with its state."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if (read("/proc/%s/comm" % pid) or "").strip() == name:
            state = re.search(r"^State:\s+(\S)", read("/proc/%s/status" % pid) or "", re.M)
            found.append({"pid": int(pid), "state": state.group(1) if state else ""})
    return found


def option(words: List[str], name: str) -> Optional[str]:
    """The value of ``--NAME=VALUE`` or ``--NAME VALUE``."""
    for i, word in enumerate(words):
        if word.startswith(name + "="):
            return word[len(name) + 1 :]
        if word == name and i + 1 < len(words):
            return words[i + 1]
    return None

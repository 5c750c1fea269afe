"""The played cluster: what `ceph` answers, where the PGs are, and how they move."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .site import State, boot, bump, fresh, settle

SIZE, MIN_SIZE, PGS = 3, 2, 16
ROOT = "default"


def ceph(state: State, words: list[str], stdin: str | None) -> tuple[int, str, str]:
    """Answer one command (the words after ``ceph`` and its options)."""
    if state["cluster"]["silent"]:
        return 1, "", "[errno 110] RADOS timed out (error connecting to the cluster)"
    as_json = words[-2:] == ["-f", "json"]
    words = words[:-2] if as_json else words
    if any(" ".join(words).startswith(w) for w in state["cluster"].get("mute", [])):
        return 1, "", "Error EAGAIN: played: no answer"
    found = _read(state, words)
    if found is not None:
        return found
    return _write(state, words, stdin)


def changes(words: list[str]) -> bool:
    """Whether a command is meant to change something."""
    plain = words[:-2] if words[-2:] == ["-f", "json"] else words
    return _READS.get(" ".join(plain[:3])) is None and not any(" ".join(plain).startswith(r) for r in _READS)


_READS = dict.fromkeys(
    (
        "status",
        "osd dump",
        "osd tree",
        "osd df",
        "osd metadata",
        "osd crush dump",
        "pg dump",
        "health detail",
        "auth get",
        "config-key exists",
        "config-key get",
        "orch ls",
        "osd perf",
        "device ls",
        "osd pool stats",
    ),
    True,
)


def target(state: State, pg: str) -> list[int]:
    """Where CRUSH puts a PG: the best OSD of each of the best buckets, of those that are in; those that are down leave a hole."""
    c = state["cluster"]
    best: dict[str, tuple[float, int]] = {}
    for n, row in c["osds"].items():
        place = row["crush"]
        if place is None or not row["in"] or place["weight"] <= 0:
            continue
        drawn = int(hashlib.sha256(f"{pg}/{n}".encode()).hexdigest()[:8], 16) / 2**32
        score = drawn ** (1 / place["weight"])
        if place["bucket"] not in best or best[place["bucket"]][0] < score:
            best[place["bucket"]] = (score, int(n))
    chosen = sorted(best.values(), reverse=True)[: c["size"]]
    return [n for _score, n in chosen if c["osds"][str(n)]["up"]]


def placed(state: State) -> list[dict[str, Any]]:
    """The PGs as they are, after what recovery could do since the last look."""
    c = state["cluster"]
    owner = {row["uuid"]: int(n) for n, row in c["osds"].items() if row["up"]}
    held = {"norecover", "nobackfill"} & set(c["flags"])
    lagging = c["lag"] > 0
    c["lag"] = max(0, c["lag"] - 1)
    rows = []
    for pg, kept in c["pgs"].items():
        up = target(state, pg)
        live = [owner[u] for u in kept["holders"] if u in owner]
        wanted = [c["osds"][str(n)]["uuid"] for n in up]
        if set(up) != set(live) and live and not lagging and not held:
            # Who has the data gives it to whoever should; copies elsewhere are dropped once all have it.
            kept["holders"] = wanted if len(up) >= min(c["size"], len(live)) else list({*kept["holders"], *wanted})
            live = [owner[u] for u in kept["holders"] if u in owner]
        serving = up if set(up) <= set(live) and up else live
        state_ = _words(c, up, live)
        rows.append(
            {"pgid": pg, "state": state_, "up": up, "acting": serving[: c["size"]], "up_primary": (up or [-1])[0]}
        )
    worst = c["worst"]
    worst["copies"] = min([worst["copies"], *(len(p["holders"]) for p in c["pgs"].values())])
    worst["live"] = min([worst["live"], *(sum(u in owner for u in p["holders"]) for p in c["pgs"].values())])
    return [*rows, *c["more_pgs"]]


def _words(c: State, up: list[int], live: list[int]) -> str:
    if not live:
        return "down"
    few = len(live) < c["size"]
    if len(live) < c["min_size"]:
        return "undersized+degraded+peered"
    if set(up) <= set(live) and len(up) == c["size"]:
        return "active+clean"
    words = ["active", *(["undersized"] if len(up) < c["size"] else []), *(["degraded"] if few else [])]
    return "+".join([*words, *(["remapped", "backfilling"] if not set(up) <= set(live) else [])])


def _read(state: State, words: list[str]) -> tuple[int, str, str] | None:
    c = state["cluster"]
    said = " ".join(words)
    if words[:2] == ["auth", "get"]:
        key = c["auth"].get(words[2])
        if key is None:
            return 2, "", f"Error ENOENT: failed to find {words[2]} in keyring"
        return 0, f'[{words[2]}]\n\tkey = {key}\n\tcaps mon = "allow profile osd"\n\tcaps osd = "allow *"\n', ""
    if words[:2] == ["config-key", "exists"]:
        return (
            (0, "", f"key '{words[2]}' exists") if words[2] in c["kept"] else (2, "", f"key '{words[2]}' doesn't exist")
        )
    if words[:2] == ["config-key", "get"]:
        return (0, c["kept"][words[2]], "") if words[2] in c["kept"] else (2, "", "Error ENOENT: ")
    told = {
        "status": _status,
        "osd dump": _dump,
        "osd tree": _tree,
        "osd df": _df,
        "osd metadata": _metadata,
        "osd crush dump": _crush,
        "pg dump pgs_brief": _pgs,
        "pg dump osds": _stats,
        "health detail": _health,
        "osd perf": _perf,
    }.get(said)
    if told is not None:
        answer = told(state)
        return 0, answer if isinstance(answer, str) else json.dumps(answer), ""
    if words[:2] == ["orch", "ls"]:
        return 0, json.dumps([{"service_name": words[3], "unmanaged": c["unmanaged"]}]), ""
    return None


def _status(state: State) -> Any:
    c = state["cluster"]
    return {
        "fsid": c["fsid"],
        "quorum": list(range(c["quorum"])),
        "monmap": {"mons": [{"name": n} for n in range(c["mons"])]},
        "pgmap": {"misplaced_objects": c.get("misplaced", 0), "degraded_objects": 0},
        "health": {"status": c["health"], "checks": {k: {} for k in c["checks"]}},
    }


def _dump(state: State) -> Any:
    c = state["cluster"]
    osds = [
        {
            "osd": int(n),
            "uuid": r["uuid"],
            "up": int(r["up"]),
            "in": int(r["in"]),
            "weight": float(r["in"]),
            "up_from": int(not r["new"]),
            "state": [
                "exists",
                *(["up"] if r["up"] else []),
                *(["destroyed"] if r["destroyed"] else []),
                *(["new"] if r["new"] else []),
            ],
        }
        for n, r in sorted(c["osds"].items(), key=lambda x: int(x[0]))
    ]
    pool = {
        "pool": 1,
        "pool_name": "volumes",
        "size": c["size"],
        "min_size": c["min_size"],
        "crush_rule": 0,
        "crush_ruleset": 0,
    }
    dump = {
        "fsid": c["fsid"],
        "epoch": c["epoch"],
        "flags": ",".join(sorted(c["flags"])),
        "pools": [pool, *c["more_pools"]],
        "osds": osds,
    }
    if c["number"] >= 12:
        dump |= {
            "flags_set": sorted(c["flags"]),
            "require_osd_release": c["release"],
            "backfillfull_ratio": c["backfillfull"],
        }
    return {**dump, **c["odd_dump"]}


def _tree(state: State) -> Any:
    c = state["cluster"]
    buckets: dict[str, list[int]] = {}
    nodes: list[Any] = []
    for n, r in c["osds"].items():
        if r["crush"] is None:
            continue
        buckets.setdefault(r["crush"]["bucket"], []).append(int(n))
        cls = {"device_class": r["crush"]["class"]} if c["number"] >= 12 else {}
        nodes.append(
            {
                "id": int(n),
                "name": f"osd.{n}",
                "type": "osd",
                "crush_weight": r["crush"]["weight"],
                "status": "up" if r["up"] else "down",
                **cls,
            }
        )
    hosts = [
        {"id": -2 - i, "name": b, "type": "host", "children": kids}
        for i, (b, kids) in enumerate(sorted(buckets.items()))
    ]
    return {
        "nodes": [{"id": -1, "name": ROOT, "type": "root", "children": [h["id"] for h in hosts]}, *hosts, *nodes],
        "stray": [],
    }


def _df(state: State) -> Any:
    c = state["cluster"]
    return {
        "nodes": [{"id": int(n), "kb": 10_000_000, "kb_used": r["used"]} for n, r in c["osds"].items()],
        "stray": [],
    }


def _metadata(state: State) -> Any:
    return [r["metadata"] for r in state["cluster"]["osds"].values() if r["metadata"]]


def _crush(_state: State) -> Any:
    return {
        "rules": [
            {
                "rule_id": 0,
                "steps": [{"op": "take"}, {"op": "chooseleaf_firstn", "num": 0, "type": "host"}, {"op": "emit"}],
            }
        ]
    }


def _pgs(state: State) -> Any:
    rows = placed(state)
    return rows if state["cluster"]["number"] < 14 else {"pg_ready": True, "pg_stats": rows}


def _stats(state: State) -> Any:
    c = state["cluster"]
    owner = {row["uuid"]: int(n) for n, row in c["osds"].items() if row["up"]}
    count = dict.fromkeys(owner.values(), 0)
    for pg in c["pgs"].values():
        for u in pg["holders"]:
            if u in owner:
                count[owner[u]] += 1
    rows = [
        {
            "osd": n,
            "kb": 10_000_000,
            "kb_used": c["osds"][str(n)]["used"],
            **({"num_pgs": k} if c["number"] >= 12 else {}),
        }
        for n, k in count.items()
    ]
    return rows if c["number"] < 14 else {"osd_stats": rows}


def _health(state: State) -> Any:
    c = state["cluster"]
    slow = c["slow"]
    checks = (
        {
            "SLOW_OPS": {
                "summary": {"message": "3 slow ops"},
                "detail": [{"message": f"osd.{n} has slow ops"} for n in slow],
            }
        }
        if slow
        else {}
    )
    return {"status": c["health"], "checks": checks}


def _perf(state: State) -> Any:
    c = state["cluster"]
    rows = [
        {"id": int(n), "perf_stats": {"commit_latency_ms": c["latency_ms"], "apply_latency_ms": c["latency_ms"]}}
        for n, r in c["osds"].items()
        if r["up"]
    ]
    return {"osd_perf_infos": rows} if c["number"] < 14 else {"osdstats": {"osd_perf_infos": rows}}


def _write(state: State, words: list[str], stdin: str | None) -> tuple[int, str, str]:
    c = state["cluster"]
    if any(" ".join(words).startswith(w) for w in c["refuses"]):
        return 13, "", "Error EBUSY: played: refused"
    done = _words_of(state, words, stdin)
    bump(state)
    settle(state)
    return done


def _words_of(state: State, words: list[str], stdin: str | None) -> tuple[int, str, str]:
    c = state["cluster"]
    osds: dict[str, State] = c["osds"]
    match words:
        case ["osd", ("out" | "in") as to, n]:
            if n not in osds:
                return 2, "", f"Error ENOENT: osd.{n} does not exist"
            osds[n]["in"] = to == "in"
        case ["osd", "set", flag]:
            c["flags"] = sorted({*c["flags"], flag})
        case ["osd", "unset", flag]:
            c["flags"] = sorted({*c["flags"]} - {flag})
        case ["osd", "create", *rest]:
            if rest and any(r["uuid"] == rest[0] for r in osds.values()):
                return 0, next(n for n, r in osds.items() if r["uuid"] == rest[0]), ""
            n = rest[1] if len(rest) > 1 else str(next(i for i in range(1000) if str(i) not in osds))
            if n in osds:
                return 17, "", f"Error EEXIST: id {n} already in use"
            osds[n] = blank(rest[0] if rest else fresh(state))
            return 0, n, ""
        case ["osd", "rm", n]:
            if n not in osds:
                return 0, "", f"osd.{n} does not exist."
            if osds[n]["up"]:
                return 16, "", f"Error EBUSY: osd.{n} is still up; must be down before removal."
            del osds[n]
        case ["osd", "destroy", n, "--yes-i-really-mean-it"]:
            if n not in osds or osds[n]["up"]:
                return (
                    (16, "", f"Error EBUSY: osd.{n} is still up")
                    if n in osds
                    else (2, "", f"Error ENOENT: osd.{n} does not exist")
                )
            osds[n] |= {"destroyed": True, "uuid": "00000000-0000-0000-0000-000000000000", "new": True}
            c["auth"].pop(f"osd.{n}", None)
        case ["osd", "new", uuid, n, "-i", "-"]:
            if n in osds and not osds[n]["destroyed"]:
                return 17, "", f"Error EEXIST: entity osd.{n} exists but key does not match"
            osds[n] = {**osds.get(n, blank(uuid)), "uuid": uuid, "destroyed": False}
            c["auth"][f"osd.{n}"] = json.loads(stdin or "{}")["cephx_secret"]
        case ["auth", "del", name]:
            c["auth"].pop(name, None)
        case ["auth", "import", "-i", "-"]:
            lines = (stdin or "").splitlines()
            c["auth"][lines[0].strip("[]")] = lines[1].split("=", 1)[1].strip()
        case ["osd", "crush", "remove", name]:
            if name[4:] in osds:
                osds[name[4:]]["crush"] = None
        case ["osd", "crush", ("add" | "set"), name, weight, *place]:
            at = dict(w.split("=", 1) for w in place)
            old = osds[name[4:]]["crush"] or {"class": ""}
            osds[name[4:]]["crush"] = {
                "weight": float(weight),
                "class": old["class"] or _class(c),
                "bucket": at["host"],
            }
        case ["osd", "crush", "rm-device-class", name]:
            osds[name[4:]]["crush"]["class"] = ""
        case ["osd", "crush", "set-device-class", cls, name]:
            osds[name[4:]]["crush"]["class"] = cls
        case ["config-key", ("set" | "put"), name, "-i", "-"]:
            c["kept"][name] = stdin
        case ["config-key", ("rm" | "del"), name]:
            c["kept"].pop(name, None)
        case ["orch", ("set-unmanaged" | "set-managed") as verb, _service]:
            c["unmanaged"] = verb == "set-unmanaged"
        case ["orch", "osd", "rm", n, "--replace"]:
            # The orchestrator drains, waits, stops and destroys by itself.
            osds[n] |= {
                "in": False,
                "up": False,
                "destroyed": True,
                "uuid": "00000000-0000-0000-0000-000000000000",
                "new": True,
            }
            c["auth"].pop(f"osd.{n}", None)
        case ["orch", "osd", "rm", "stop", _n]:
            return 0, "", ""
        case ["orch", "device", "zap", name, device, "--force"]:
            from .drives import zap

            zap(state, name, device)
        case ["orch", "daemon", "add", "osd", target_]:
            name, device = target_.split(":", 1)
            n = next((k for k, r in osds.items() if r["destroyed"]), None)
            return _deploy(state, name, device, n)
        case ["device", "light", "on" | "off" as verb, device, "ident", *rest]:
            return _light(c, verb, device, force="--force" in rest)
        case ["config", *_rest]:
            return 0, "", ""
        case _:
            return 22, "", f"no valid command found: {' '.join(words)}"
    return 0, "", ""


def _light(c: State, verb: str, device: str, *, force: bool) -> tuple[int, str, str]:
    """The manager counts a light as on before it asks the orchestrator, and as off when this has answered, or by force."""
    lit, orchestrated = c["lights"], c["orchestrated"]
    if verb == "on":
        lit.append(device)
    elif orchestrated or force:
        lit[:] = [x for x in lit if x != device]
    return (0, "", "") if orchestrated else (22, "", "Error ENOENT: No orchestrator configured")


def _deploy(state: State, name: str, device: str, n: str | None) -> tuple[int, str, str]:
    from .deploying import make_lvm

    if n is None:
        return 22, "", "no destroyed id"
    failed = make_lvm(state, name, int(n), device, {}, cephadm=True)
    return (1, "", failed) if failed else (0, f"Created osd(s) {n} on host '{name}'", "")


def _class(c: State) -> str:
    return "hdd" if c["number"] >= 12 else ""


def blank(uuid: str) -> State:
    """An OSD that was only just registered."""
    return {
        "uuid": uuid,
        "up": False,
        "in": False,
        "new": True,
        "destroyed": False,
        "crush": None,
        "metadata": {},
        "used": 100_000,
    }


__all__ = ["MIN_SIZE", "PGS", "SIZE", "blank", "boot", "ceph", "changes", "placed", "target"]

"""Carries out a plan as the engine does, in this process: probe, do, verify; undo in reverse. Notes outlive a crash.

A crash is an exception that the product can't catch (`Killed`), raised by the played host right after a command took effect: what
the product then finds is what it finds after a kill -9.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from blue_wizard import config
from blue_wizard.disks import operation
from blue_wizard.errors import BlueWizardError
from blue_wizard.jobs import actions
from blue_wizard.jobs.model import Plan, Step

from . import seam
from .build import FAILED, SSD
from .cluster import placed
from .site import Site, State, digests, disk, insert, pull, slots

NEW = "SN-NEW"
tally: Counter[str] = Counter()
"""Over all tests of this process: sites, commands that changed something, and how often one touched another device."""


class Killed(BaseException):
    """The worker is gone."""


class Waits(BaseException):
    """The step waits for a person, and has told why."""


class _Context:
    def __init__(self, run: Run, step: Step) -> None:
        self._run, self._step, self._told = run, step, list[str]()
        self.job_id, self.step_id = "o-test", step.id

    def outcome(self, step_id: str) -> Any:
        return self._run.outcomes[step_id]

    def answer(self) -> str | None:
        return self._run.answers.get(self._step.id, "done") if self._step.gate else None

    def note(self, key: str, value: Any) -> None:
        self._run.notes.setdefault(self._step.id, {})[key] = value

    def noted(self, key: str) -> Any:
        return self._run.notes.get(self._step.id, {}).get(key)

    def progress(self, done: float, total: float, *, unit: str = "B", note: str = "") -> None:
        self._told.append(note)
        if note and self._told[-8:] == [note] * 8:
            raise Waits(note)

    def event(self, kind: str, message: str, **data: Any) -> None:
        self._run.events.append((self._step.id, kind, message))

    def check_stop(self) -> None:
        pass

    def pause_point(self, hold: Callable[[bool], None] | None = None) -> None:
        pass


class Run:
    """One plan on one site. `on` are things that happen in the world right before a step."""

    def __init__(self, site: Site, plan: Plan, *, answers: Mapping[str, str] | None = None) -> None:
        self.site, self.plan, self.answers = site, plan, dict(answers or {})
        self.notes: dict[str, dict[str, Any]] = {}
        self.outcomes: dict[str, Any] = {}
        self.events: list[tuple[str, str, str]] = []
        self.begun: list[str] = []
        self.left: list[str] = []
        self.error = ""
        self.on: dict[str, Callable[[State], None]] = {}
        self.broken: list[str] = []
        self.sampled = True
        self.bench: Bench | None = None

    def forward(self) -> str:
        """Run the steps that are not done: "done", "failed" (undone) or "stuck"; raises Killed and Waits."""
        if self.bench is not None:
            self.bench.dead = False
        for step in self.plan.steps:
            if step.id in self.outcomes:
                continue
            happening = self.on.pop(step.id, None)
            if happening is not None:
                with self.site.change() as state:
                    happening(state)
            if step.id not in self.begun:
                self.begun.append(step.id)
            try:
                self._carry_out(step)
            except BlueWizardError as e:
                self.error = f"{step.title}: {e.message}"
                return self.back("failed")
            self._sample()
        return "done"

    def _sample(self) -> None:
        said = self.plan.invariant
        assert said is not None
        if not self.sampled:
            return
        sampler = actions.sampler(said.check)
        assert sampler is not None
        found = sampler(said.args, self.begun)
        if found:
            self.broken.append(found)

    def _carry_out(self, step: Step) -> None:
        action, ctx = actions.find(step.verb), _Context(self, step)
        outcome = action.probe(ctx, step.args)
        if outcome is None:
            outcome = action.do(ctx, step.args)
        action.verify(ctx, step.args, outcome)
        self.outcomes[step.id] = outcome

    def back(self, end: str = "rolled-back") -> str:
        """Undo what was begun, last first."""
        if self.bench is not None and end != "failed":
            self.bench.dead = False
        for step in reversed([s for s in self.plan.steps if s.id in self.begun]):
            action, ctx = actions.find(step.verb), _Context(self, step)
            try:
                action.undo(ctx, step.args, self.outcomes.get(step.id))
            except BlueWizardError as e:
                self.left.append(
                    f"{step.title}: {e.message} ({action.by_hand(ctx, step.args, self.outcomes.get(step.id))})"
                )
            else:
                self.begun.remove(step.id)
                self.outcomes.pop(step.id, None)
        return "stuck" if self.left else end


class Bench:
    """A site, the product that reaches it, and what has to be true of both at the end."""

    def __init__(self, folder: Path, state: State) -> None:
        self.site = Site(folder)
        self.site.begin(state)
        self.first = self.site.state()
        self.allowed: tuple[str, ...] = ()
        self.kill_at, self.dead = -1, False
        self.hooks: list[Callable[[dict[str, Any]], None]] = []
        self._count = 0

    def after(self, entry: dict[str, Any]) -> None:
        try:
            for hook in self.hooks:
                hook(entry)
            if entry["changes"]:
                self._count += 1
                if self._count == self.kill_at:
                    raise Killed
        except Killed:
            self.dead = True
            raise

    def before(self) -> None:
        """Whoever was killed does nothing any more, not even what cleans up behind him."""
        if self.dead:
            raise Killed

    def settle(self) -> None:
        """Let recovery end."""
        with self.site.change() as state:
            for _look in range(4):
                placed(state)

    def again(self) -> None:
        """What was done to the site by now is where it begins."""
        self.first = self.site.state()
        self.site.log.write_text("")

    def plan(self, *osds: int, **more: Any) -> Plan:
        return operation.make("lab", list(osds or (3,)), **more)

    def plan_shared(self, serial: str, **more: Any) -> Plan:
        return operation.make_shared("lab", serial, **more)

    def run(self, plan: Plan | None = None, **more: Any) -> Run:
        """A run in which the failed disk is changed for a good one before the swap is looked at."""
        run = Run(self.site, plan or self.plan(), **more)
        run.bench = self
        run.on["swap"] = change_disk
        return run

    def wrong(self, *allowed: str) -> list[str]:
        """Commands that changed, or were meant to change, another disk than the failed one, the new one, and `allowed`."""
        mine = {FAILED, NEW, *allowed}
        found = [c["said"] for c in self.site.calls() if c["changes"] and {*c["changed"], *c["named"]} - mine - {SSD}]
        now = self.site.state()
        for serial, was in digests(self.first).items():
            if serial not in mine | {SSD} and digests(now)[serial] != was:
                found.append(f"{serial} holds something else")
        if SSD in now["disks"] and SSD not in allowed:
            before, after = slots(self.first, SSD), slots(now, SSD)
            own = {"j-3", "db-3"}
            found += [
                f"{SSD} {k} holds something else"
                for k in before | after
                if k not in own and before.get(k) != after.get(k)
            ]
        return found


def whole(b: Bench, plan: Plan, swaps: Callable[[State], None] | None = None) -> list[Run]:
    """Run a plan's own steps, then its children one after another, as their claims let them; a kill is followed by a new worker."""
    runs = []
    for part in plan.walk():
        run = b.run(part)
        runs.append(run)
        if swaps is not None:
            run.on["swap"] = swaps
        try:
            end = run.forward()
        except Killed:
            end = run.forward()
        assert end == "done", (part.title, run.error, run.left)
    return runs


def change_disk(state: State, one: State | None = None) -> None:
    """A person pulls the failed disk and puts another one in."""
    slot = next(s for s, v in state["hosts"]["stor1"]["slots"].items() if v in {FAILED, None})
    if FAILED in state["hosts"]["stor1"]["slots"].values():
        pull(state, "stor1", FAILED)
    insert(state, "stor1", slot, one or disk(NEW))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[State], Bench]]:
    """Makes a bench from a site's state. At the end no other device than its own may have been touched, on any of them."""
    file = tmp_path / "bw.yaml"
    file.write_text(seam.CONFIG)
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
    from blue_wizard.disks import change, invariant, survey, swap, waiting
    from blue_wizard.reach import ssh

    monkeypatch.setattr(ssh, "host", ssh.host)
    for module, names in (
        (waiting, ("_EVERY_S",)),
        (swap, ("_EVERY_S",)),
        (change, ("_EVERY_S", "_SELDOM_S", "_AGAIN_S")),
        (survey, ("_LOOK_EVERY_S",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, 0.0)
    invariant._since.clear()

    made_all: list[Bench] = []

    def make(state: State) -> Bench:
        folder = tmp_path / f"site{len(list(tmp_path.glob('site*')))}"
        folder.mkdir()
        made = Bench(folder, state)
        seam.install(made.site, made.after, made.before)
        made_all.append(made)
        return made

    yield make
    for one in made_all:
        tally["sites"] += 1
        tally["commands"] += len(one.site.changes())
        wrong = one.wrong(*one.allowed)
        tally["wrong"] += len(wrong)
        assert wrong == []


def leftovers(before: State, now: State) -> list[str]:
    """What a job left behind: keys, labels, mounts, lines, containers, units and volumes of an OSD that is no more."""
    found = [f"kept {k}" for k in now["cluster"]["kept"]]
    found += [f"key of {k}" for k in now["cluster"]["auth"] if k not in before["cluster"]["auth"]]
    for name, h in now["hosts"].items():
        was = before["hosts"][name]
        here = {s: now["disks"][s] for s in h["slots"].values() if s}
        fs = {p["fs_uuid"] for d in here.values() for p in d["parts"]}
        uuids = {r["uuid"] for r in now["cluster"]["osds"].values()}
        found += [
            f"label {p['label']} on {s}" for s, d in here.items() for p in d["parts"] if "BOOTSTRAP" in p["label"]
        ]
        found += [f"mount {m[1]}" for m in h["mounts"] if m[0].startswith("/dev/sd") and not _known(now, name, m[0])]
        found += [f"fstab {x}" for x in h["fstab"].splitlines() if x.startswith("UUID=") and x.split()[0][5:] not in fs]
        found += [f"container {b}" for b in h["boxes"] if b not in was["boxes"]]
        found += [f"unit {u}" for u in h["enabled"] if "lvm-" in u and not any(u.endswith(x) for x in uuids)]
        found += [f"volume {d['name']}" for d in h["dm"] if d["serial"] not in here]
        if len(h["mounts"]) != len(was["mounts"]) or len(h["fstab"].splitlines()) != len(was["fstab"].splitlines()):
            found.append(f"{name}: {len(h['mounts'])} mounts, {h['fstab']!r}")
        if h["conf"].count("[osd.3]") != was["conf"].count("[osd.3]") or len(h["boxes"]) != len(was["boxes"]):
            found.append(f"{name}: {h['conf']!r}, {sorted(h['boxes'])}")
        if sorted(u for u in h["enabled"] if "lvm-" not in u) != sorted(u for u in was["enabled"] if "lvm-" not in u):
            found.append(f"{name}: {h['enabled']}")
        sizes = {
            s: len(d["parts"]) + len((d["pv"] or {"lvs": []})["lvs"])
            for s, d in here.items()
            if s in before["disks"] and s != FAILED
        }
        for serial, count in sizes.items():
            one = before["disks"][serial]
            if count != len(one["parts"]) + len((one["pv"] or {"lvs": []})["lvs"]):
                found.append(f"{serial} has {count} slots")
    return found


def _known(state: State, name: str, device: str) -> bool:
    from .site import lookup

    return lookup(state, name, device)[1] is not None

"""An inspection for machines: Prometheus' text format (for a collector of text files), and JUnit's XML (for CI)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from blue_wizard.text import translated

if TYPE_CHECKING:
    from blue_wizard.inspect.result import Inspection

__all__ = ["junit", "prometheus"]


def prometheus(found: Inspection) -> str:
    """Gauges with the prefix ``blue_wizard_inspect_``. Findings are counted by check and severity: objects would be too
    many series."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    labels = {"cloud": found.cloud, "profile": found.profile}
    plain = (
        ("score", "Score of the last inspection, 0 to 100", found.score),
        ("coverage_percent", "How much could be looked at, 0 to 100", found.coverage),
        ("started_seconds", "When the last inspection began, Unix seconds", found.started),
        ("duration_seconds", "How long it took", found.took_s),
    )
    for name, text, value in plain:
        Gauge(f"blue_wizard_inspect_{name}", text, list(labels), registry=registry).labels(**labels).set(value)
    findings = Gauge(
        "blue_wizard_inspect_findings",
        "Findings that count, by check and severity",
        [*labels, "check", "severity"],
        registry=registry,
    )
    for (check, severity), count in Counter((r.check.id, r.severity.value) for r in found.rows if r.counts).items():
        findings.labels(**labels, check=check, severity=severity).set(count)
    states = Gauge("blue_wizard_inspect_checks", "Checks by state", [*labels, "state"], registry=registry)
    for state, count in found.statuses().items():
        states.labels(**labels, state=state).set(count)
    return generate_latest(registry).decode()


def junit(found: Inspection) -> str:
    """One test case a check; infos, waived findings and those that follow from others do not fail it."""
    statuses = found.statuses()
    suite = ElementTree.Element(
        "testsuite",
        name=f"blue-wizard inspect {found.cloud}",
        tests=str(len(found.outcomes)),
        time=f"{found.took_s:.3f}",
        skipped=str(statuses["unknown"] + statuses["skipped"]),
    )
    failures = 0
    for o in found.outcomes:
        case = ElementTree.SubElement(
            suite, "testcase", classname=o.check.family, name=o.check.id, time=f"{o.took_s:.3f}"
        )
        bad = [r for r in found.rows if r.check.id == o.check.id and r.counts and r.severity.value != "info"]
        if bad:
            failures += 1
            failure = ElementTree.SubElement(
                case, "failure", type=bad[0].severity.value, message=translated(o.check.title)
            )
            failure.text = "\n".join(f"{r.finding.host} {r.finding.message}".strip() for r in bad)
        elif o.status.value in {"unknown", "skipped"}:
            ElementTree.SubElement(case, "skipped", message="; ".join(o.unknown)[:500] or o.status.value)
    suite.set("failures", str(failures))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"

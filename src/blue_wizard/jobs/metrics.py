"""What a worker tells Prometheus: read from the ledger at every scrape, so all workers tell the same."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric

from blue_wizard.errors import InputError
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import State, StepState
from blue_wizard.text import _

__all__ = ["JobCollector", "serve"]


class JobCollector:
    """Jobs of the top by operation and state, open questions and their age, workers, and what is moved now."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        """One scrape."""
        jobs = GaugeMetricFamily("blue_wizard_jobs", "Jobs in the ledger.", labels=["operation", "state"])
        found = Counter((j["operation"], j["state"]) for j in self._ledger.jobs())
        for operation in sorted({o for o, _s in found}):
            # States without a job are told too: an alert on a series that is absent never fires.
            for state in State:
                jobs.add_metric([operation, state.value], found[operation, state.value])
        yield jobs
        asked = [g["asked"] for g in self._ledger.open_gates()]
        yield GaugeMetricFamily("blue_wizard_gates_open", "Questions that wait for a person.", value=len(asked))
        age = time.time() - min(asked) if asked else 0.0
        yield GaugeMetricFamily("blue_wizard_gate_oldest_seconds", "Age of the oldest open question.", value=age)
        speed = GaugeMetricFamily(
            "blue_wizard_bytes_per_second", "What is moved now, by where from.", labels=["source"]
        )
        for source, rate in sorted(self._rates().items()):
            speed.add_metric([source], rate)
        yield speed
        workers = len(self._ledger.workers())
        yield GaugeMetricFamily("blue_wizard_workers", "Workers that are on the list.", value=workers)

    def _rates(self) -> Counter[str]:
        """Bytes per second of the steps that run, by the target of their job (the source host, the folder)."""
        found: Counter[str] = Counter()
        for row in self._ledger.running():
            for step in self._ledger.steps(row["id"]):
                progress = step["progress"] or {}
                if step["state"] == StepState.RUNNING and progress.get("unit") == "B":
                    found[self._ledger.job(row["id"])["target"] or ""] += round(progress["rate"])
        return found


def serve(ledger: Ledger, address: str) -> int:
    """Serve the metrics on ``HOST:PORT`` from a thread; the port. Raises InputError when that is no address, or is taken."""
    host, _colon, port = address.rpartition(":")
    hint = _("Say --metrics HOST:PORT, for example 127.0.0.1:9716.")
    if not host or not port.isdigit():
        raise InputError(_("{address} is no address for metrics.").format(address=address), hint)
    registry = CollectorRegistry()
    registry.register(JobCollector(ledger))
    try:
        server, _thread = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as e:
        raise InputError(
            _("Metrics can't be served on {address}: {error}").format(address=address, error=e), hint
        ) from e
    return int(server.server_port)

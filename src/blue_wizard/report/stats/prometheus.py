"""Prometheus text format, for a node exporter's textfile collector or a push."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from blue_wizard.report.stats.formats import writes

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from blue_wizard.stats.model import Report

__all__ = ["as_prometheus"]

_PREFIX = "blue_wizard_stats"


class _Collector:
    def __init__(self, report: Report) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """One family a statistic; one a numeric column of the tables that name their lines by labels."""
        from prometheus_client.core import GaugeMetricFamily

        cloud = self._report.cloud
        complete = GaugeMetricFamily(f"{_PREFIX}_complete", "1 when everything could be read", labels=["cloud"])
        complete.add_metric([cloud], float(not self._report.partial))
        yield complete
        moment = GaugeMetricFamily(f"{_PREFIX}_moment_seconds", "When it was read, in epoch seconds", labels=["cloud"])
        moment.add_metric([cloud], self._report.moment)
        yield moment
        for v in self._report.values:
            if v.number is not None:
                one = GaugeMetricFamily(_name(v.statistic.id), v.statistic.formula, labels=["cloud"])
                one.add_metric([cloud], float(v.number))
                yield one
        for sheet in self._report.sheets:
            labels = sheet.table.labels
            for column in sheet.columns if labels else ():
                if column.unit.value == "text":
                    continue
                family = GaugeMetricFamily(_name(f"{sheet.table.id}_each.{column.key}"), sheet.table.about,
                                           labels=["cloud", *labels])  # fmt: skip
                for row in sheet.rows:
                    if row.get(column.key) is not None:
                        family.add_metric([cloud, *(str(row[name]) for name in labels)], float(row[column.key]))
                yield family


def _name(id_: str) -> str:
    return f"{_PREFIX}_{id_.replace('.', '_')}"


@writes(".prom")
def as_prometheus(report: Report) -> bytes:
    """Gauges in base units. What is not known is absent: a zero would be a lie that alerts believe."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(report))
    return generate_latest(registry)

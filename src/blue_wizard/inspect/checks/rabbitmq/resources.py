"""Nodes that come near a limit."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.rabbitmq import RabbitUse
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_
from blue_wizard.units import bytes_text

__all__ = ["resources"]

_WARN = 0.80


@check(
    "rabbitmq.resources",
    N_("RabbitMQ comes near a limit"),
    severity=Severity.WARNING,
    remedy=N_("Raise the limit before it is reached, and find out what grows."),
    profile=Profile.DAILY,
    under=("rabbitmq.alarm",),
)
def resources(node: RabbitUse) -> Iterable[Finding]:
    """80 % of the memory's high watermark or of the file descriptors; less free disk than twice its limit."""
    if node.fds and node.fds[0] >= _WARN * node.fds[1]:
        used, most = node.fds
        yield found(
            "file descriptors",
            N_("RabbitMQ uses {used} of {most} file descriptors."),
            evidence=["rabbitmqctl status: file_descriptors"],
            used=used,
            most=most,
        )
    if node.memory and node.memory[0] >= _WARN * node.memory[1]:
        used, most = node.memory
        yield found(
            "memory",
            N_("RabbitMQ uses {used} of {most} of memory; at the limit it blocks all publishers."),
            evidence=["rabbitmqctl status: memory"],
            used=bytes_text(used),
            most=bytes_text(most),
        )
    if node.disk and node.disk[0] < 2 * node.disk[1]:
        free, least = node.disk
        yield found(
            "disk",
            N_("RabbitMQ has {free} of disk left; below {least} it blocks all publishers."),
            evidence=["rabbitmqctl status: disk_free"],
            free=bytes_text(free),
            least=bytes_text(least),
        )

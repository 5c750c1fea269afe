"""Sizes, durations and moments as people read them."""

from __future__ import annotations

import time

from blue_wizard.text import _

__all__ = ["bytes_text", "clock_text", "seconds_text"]


def bytes_text(size: float | None) -> str:
    """A number of bytes for people, in binary units: 1536 -> "1.5 KiB"; None -> "-"."""
    if size is None:
        return "-"
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < 1024 or unit == "TiB":
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def seconds_text(seconds: float | None) -> str:
    """A duration for people: 4.2 -> "4 s", 75 -> "1:15", 3700 -> "1:01:40"; None -> "-"."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < 60:
        return _("{seconds} s").format(seconds=whole)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"


def clock_text(seconds: float | None) -> str:
    """A moment (epoch seconds) for people, in this machine's time zone; None -> "-"."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) if seconds else "-"

"""Data to stdout, people's text to the terminal: the two ways out of every command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

__all__ = ["Output", "console", "emit", "errors", "plain", "table", "terminal"]

# A file or pipe has no width; lines must not be folded there.
_WIDE = 250

Output = Literal["table", "json", "yaml"]


def terminal(**settings: Any) -> Console:
    """A terminal that shows names and addresses to the letter: no part of them is coloured or becomes a picture."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, **settings)


def console() -> Console:
    """The terminal of people's text (stdout)."""
    return terminal(width=None if sys.stdout.isatty() else _WIDE)


def errors() -> Console:
    """The terminal of progress, logs and errors (stderr)."""
    return terminal(stderr=True, width=None if sys.stderr.isatty() else _WIDE)


def plain(value: Any) -> Any:
    """The value as JSON data: dataclasses to objects, enums to their values, paths and tuples to text and lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    return value


def emit(data: Any, output: Output, human: Callable[[], RenderableType | Iterable[RenderableType]]) -> None:
    """Write `data` as JSON or YAML to stdout, or what `human()` renders when the output is "table"."""
    if output == "json":
        print(json.dumps(plain(data), ensure_ascii=False, indent=2))  # noqa: T201
        return
    if output == "yaml":
        import yaml

        print(yaml.safe_dump(plain(data), allow_unicode=True, sort_keys=False), end="")  # noqa: T201
        return
    rendered = human()
    out = console()
    parts = [rendered] if isinstance(rendered, str) or hasattr(rendered, "__rich_console__") else rendered
    for part in parts:  # type: ignore[union-attr]
        # What clouds and people wrote is no markup.
        out.print(part, markup=not isinstance(part, str))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> Table:
    """A table for people; cells are text, and None is shown as a dash. Columns that hold only numbers align right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    body = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    made = Table(title=Text(title) if title else None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        numeric = bool(body) and all(row[i][:1].isdigit() or row[i] == "-" for row in body)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in body:
        made.add_row(*(Text(cell) for cell in row))
    return made

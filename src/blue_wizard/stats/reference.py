"""The reference page of all statistics, made from the registry: ``python -m blue_wizard.stats.reference > FILE``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from blue_wizard.stats.model import statistics, tables, topics

__all__ = ["page"]


def page() -> str:
    """The page in Markdown, in the language in force."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    known = statistics()
    yield "# Statistics"
    yield ""
    yield "<!-- Made by: python -m blue_wizard.stats.reference -->"
    yield ""
    yield (
        f"All {len(known)} numbers and {len(tables())} tables of `blue-wizard stats`, each with its formula and the place that it "
        "comes from. In JSON, CSV and"
    )
    yield "Prometheus, bytes are bytes and shares run from 0 to 100; Excel shows bytes as GiB."
    for topic in topics().values():
        yield ""
        yield f"## {topic.title()} (`blue-wizard stats {topic.id}`)"
        yield ""
        yield f"Read: {', '.join(f'`{name}`' for name in topic.needs)}."
        yield ""
        yield "| id | what | unit | formula and source |"
        yield "| --- | --- | --- | --- |"
        for s in known:
            if s.topic == topic.id:
                yield f"| `{s.id}` | {_cell(s.title())} | {s.unit.value} | {_cell(s.formula)} |"
        for t in tables():
            if t.topic == topic.id:
                columns = ", ".join(f"`{c.key}`" for c in t.columns())
                yield f"| `{t.id}` | {_cell(t.title())} | table | {_cell(t.about)} Columns: {columns}. |"


def _cell(text: str) -> str:
    return (
        text.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")
        if "`" not in text
        else text.replace("|", "\\|")
    )


if __name__ == "__main__":
    sys.stdout.write(page())

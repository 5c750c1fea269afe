"""The reference page is what the registry says."""

from __future__ import annotations

from pathlib import Path

from blue_wizard.stats.reference import page

FILE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "statistics.md"


def test_the_page_is_made_from_the_registry() -> None:
    assert FILE.read_text() == page(), (
        "make it again: python -m blue_wizard.stats.reference > docs/reference/statistics.md"
    )

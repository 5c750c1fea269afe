"""What stands on the terminal is what was to be said, to the letter."""

from __future__ import annotations

import pytest

from blue_wizard.report import out

# Parts of addresses and thumbprints that are the names of pictures, and words that look like markup.
LETTERS = ["12:AB:93", "fa:16:3e:ab:o2:id", "fd00::ab:1", "disk [bold] of [/]", "[red]vm-1"]


@pytest.mark.parametrize("text", LETTERS)
def test_no_letter_of_a_name_becomes_a_picture_or_markup(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    out.emit(None, "table", lambda: [text, out.table(["name", "id"], [[text, "x" * 60]], title=f"of {text}")])
    assert capsys.readouterr().out.count(text) == 3
    out.errors().print(text, markup=False)
    assert text in capsys.readouterr().err

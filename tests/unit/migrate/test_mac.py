from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from blue_wizard.migrate.mac import Mac

ADAPTER = TypeAdapter(Mac)


@pytest.mark.parametrize("text", ["00:50:56:aa:00:01", "00:50:56:AA:00:01", "00-50-56-Aa-00-01"])
def test_it_is_written_as_clouds_do(text: str) -> None:
    assert ADAPTER.validate_python(text) == "00:50:56:aa:00:01"


@pytest.mark.parametrize("text", ["", "00:50:56:aa:00", "00:50:56:aa:00:0g", "005056aa0001", 5])
def test_anything_else_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(text)

"""One file per family of faults. A rule is a function that registers itself with `@rule` (see `diagnose/rulebook.py`)."""

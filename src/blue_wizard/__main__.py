"""`python -m blue_wizard`."""

from __future__ import annotations

import sys

from blue_wizard.cli import main

if __name__ == "__main__":
    sys.exit(main())

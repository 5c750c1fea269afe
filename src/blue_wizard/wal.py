"""SQLite's write-ahead log, into which every file of ours is switched by whoever opens it."""

from __future__ import annotations

import sqlite3
import time

__all__ = ["LOCKED_S", "write_ahead"]

LOCKED_S = 30.0
"""So long a lock of another process is waited for."""
_AGAIN_S = 0.02


def write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to its write-ahead log, and wait for another process that writes to it just now.

    SQLite does not ask its own waiting for locks (`timeout`) here: it fails at once while somebody writes to a file that has no
    such log yet, as one does who is making it. Raises sqlite3.OperationalError when that takes longer than `LOCKED_S`.
    """
    end = time.monotonic() + LOCKED_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as e:
            if e.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(_AGAIN_S)

"""The tables of the ledger: jobs, their steps, approvals, events with their seals, locks, claims and schedules."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = [
    "approvals",
    "claims",
    "dues",
    "events",
    "gates",
    "jobs",
    "locks",
    "make",
    "metadata",
    "schedules",
    "seal_head",
    "seals",
    "steps",
    "workers",
]

metadata = sa.MetaData()
_MAKING = 7_100_500
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("root", sa.String, index=True),
    sa.Column("parent", sa.String, index=True),
    sa.Column("position", sa.Integer),
    sa.Column("title", sa.String),
    sa.Column("operation", sa.String),
    sa.Column("target", sa.String),
    sa.Column("plan", sa.Text),
    sa.Column("digest", sa.String),
    sa.Column("state", sa.String, index=True),
    sa.Column("signal", sa.String),
    sa.Column("undo_round", sa.Integer),
    sa.Column("created", sa.Float),
    sa.Column("started", sa.Float),
    sa.Column("ended", sa.Float),
    sa.Column("error", sa.Text),
    sa.Column("admitted", sa.Boolean),
    sa.Column("reason", sa.Text),
    # What admission and the end of a job look at, out of its plan: uses, claims, releases (JSON).
    sa.Column("holds", sa.Text),
    # Its own steps are done, and it waits for its parts.
    sa.Column("handed_on", sa.Boolean),
    # When a job that rests goes on by itself.
    sa.Column("resumes", sa.Float),
)
steps = sa.Table(
    "steps",
    metadata,
    sa.Column("job", sa.String, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("id", sa.String),
    sa.Column("state", sa.String),
    sa.Column("started", sa.Float),
    sa.Column("ended", sa.Float),
    sa.Column("outcome", sa.Text),
    sa.Column("notes", sa.Text),
    sa.Column("progress", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("by_hand", sa.Text),
)
gates = sa.Table(
    "gates",
    metadata,
    sa.Column("job", sa.String, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("step", sa.String),
    sa.Column("question", sa.Text),
    sa.Column("text", sa.Boolean),
    sa.Column("otherwise", sa.String),
    sa.Column("asked", sa.Float),
    sa.Column("deadline", sa.Float),
    sa.Column("answer", sa.Text),
    sa.Column("who", sa.String),
    sa.Column("origin", sa.String),
    sa.Column("answered", sa.Float),
)
approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("job", sa.String, index=True),
    sa.Column("digest", sa.String),
    sa.Column("who", sa.String),
    sa.Column("origin", sa.String),
    sa.Column("time", sa.Float),
)
events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("job", sa.String, index=True),
    sa.Column("step", sa.String),
    sa.Column("time", sa.Float),
    sa.Column("kind", sa.String),
    sa.Column("message", sa.Text),
    sa.Column("data", sa.Text),
)
seals = sa.Table(
    "seals",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seal", sa.String),
)
# One row: whoever writes events holds it, so that seals follow each other on every database.
seal_head = sa.Table(
    "seal_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seal", sa.String),
)
locks = sa.Table(
    "locks",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("job", sa.String, index=True),
)
claims = sa.Table(
    "claims",
    metadata,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("member", sa.String, primary_key=True),
    sa.Column("domain", sa.String),
    sa.Column("most", sa.Integer),
    sa.Column("job", sa.String, index=True),
    sa.Column("root", sa.String),
    # "": ends with its job; "done", "undone": kept when the job ends as that.
    sa.Column("keep", sa.String),
    sa.Column("since", sa.Float),
)
schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("cron", sa.String),
    sa.Column("timezone", sa.String),
    sa.Column("operation", sa.String),
    sa.Column("params", sa.Text),
    sa.Column("catch_up", sa.Boolean),
    sa.Column("paused", sa.Boolean),
    # Times at or before this one are none of its business.
    sa.Column("since", sa.Float),
    sa.Column("who", sa.String),
    sa.Column("origin", sa.String),
)
# One row for each time that a schedule was due: what keeps two workers from running it twice.
dues = sa.Table(
    "dues",
    metadata,
    sa.Column("schedule", sa.String, primary_key=True),
    sa.Column("due", sa.Float, primary_key=True),
    sa.Column("job", sa.String),
    sa.Column("note", sa.Text),
    sa.Column("time", sa.Float),
)
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("seat", sa.String),
    sa.Column("host", sa.String),
    sa.Column("pid", sa.Integer),
    sa.Column("started", sa.Float),
    sa.Column("beats", sa.Integer),
)


def make(engine: sa.Engine) -> None:
    """Make the tables that are missing, and the columns that a ledger of an older version does not have yet."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # Two that begin at once would both find no table, and one would fail.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKING})")
        metadata.create_all(connection)
        inspector = sa.inspect(connection)
        for table in metadata.sorted_tables:
            there = {c["name"] for c in inspector.get_columns(table.name)}
            for column in table.columns:
                if column.name not in there:
                    kind = column.type.compile(engine.dialect)
                    connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}")

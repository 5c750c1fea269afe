"""JOBS linear flows of STEPS empty tasks each on TaskFlow with SQLite; prints the seconds. Arguments: FOLDER JOBS STEPS."""

from __future__ import annotations

import sys
import time
from contextlib import closing

from taskflow import engines, task
from taskflow.patterns import linear_flow
from taskflow.persistence import backends


class Step(task.Task):
    """Nothing."""

    def execute(self) -> int:
        """Nothing."""
        return 0


def main(folder: str, jobs: int, steps: int) -> None:
    """Measure and print."""
    backend = backends.fetch({"connection": f"sqlite:///{folder}/taskflow.db"})
    with closing(backend.get_connection()) as connection:
        connection.upgrade()
    began = time.monotonic()
    for number in range(jobs):
        flow = linear_flow.Flow(f"job {number}").add(*(Step(f"step {i}") for i in range(steps)))
        engines.run(flow, backend=backend)
    print(time.monotonic() - began)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

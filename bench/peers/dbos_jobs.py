"""JOBS workflows of STEPS empty steps each on bare DBOS with SQLite; prints the seconds. Arguments: FOLDER JOBS STEPS."""

from __future__ import annotations

import sys
import time

from dbos import DBOS, DBOSConfig


@DBOS.step()
def step(number: int) -> int:
    """Nothing."""
    return number


@DBOS.workflow()
def job(steps: int) -> int:
    """All steps, one after the other."""
    return sum(step(number) for number in range(steps))


def main(folder: str, jobs: int, steps: int) -> None:
    """Measure and print."""
    config: DBOSConfig = {
        "name": "peer",
        "system_database_url": f"sqlite:///{folder}/dbos.db",
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue("peer", polling_interval_sec=0.2)
    began = time.monotonic()
    handles = [DBOS.enqueue_workflow("peer", job, steps) for _job in range(jobs)]
    for handle in handles:
        handle.get_result()
    print(time.monotonic() - began)
    DBOS.destroy()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""Starts one nova-compute process for each host of the fleet (Debian's Python): ``launch.py FOLDER NOVA_CONF HOST...``.

Nova is imported once, and each process is a fork of the first, so that thirty of them start in seconds and share their memory.
"""

import importlib.util
import os
import signal
import sys
from pathlib import Path

import nova.cmd.compute

HERE = Path(__file__).parent


def driver() -> None:
    """Let Nova find our driver among its own: it looks nowhere else."""
    spec = importlib.util.spec_from_file_location("nova.virt.blue_fleet", HERE / "driver.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


def main(folder: str, config: str, *hosts: str) -> None:
    """Fork, and wait for ever: the processes end with this one's session."""
    driver()
    for host in hosts:
        if os.fork() == 0:
            own = f"{folder}/{host}/nova.conf"
            sys.argv = ["nova-compute", "--config-file", config, "--config-file", own]
            log = os.open(f"{folder}/{host}/nova-compute.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
            os.dup2(log, 1)
            os.dup2(log, 2)
            nova.cmd.compute.main()
            sys.exit(0)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])

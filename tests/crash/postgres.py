"""A PostgreSQL of the test's own, from Debian's package: a folder, a socket in it, no port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["running"]


@contextmanager
def running() -> Iterator[str]:
    """Its URL, for as long as the context lasts."""
    (binaries,) = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
    user = pwd.getpwnam("postgres")
    folder = Path(tempfile.mkdtemp(prefix="bw-pg-"))
    os.chown(folder, user.pw_uid, user.pw_gid)
    # initdb and postgres refuse to run as root.
    run = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=KILL"]
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    try:
        initdb = [*run, binaries / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "--no-sync"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", env=env)
        options = [f"-cunix_socket_directories={folder}", "-clisten_addresses=", "-cfsync=off", "-cmax_connections=300"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*run, binaries / "postgres", "-D", folder / "data", *options],
                stdout=log,
                stderr=log,
                cwd="/",
                env=env,
            )
        try:
            ready = [binaries / "pg_isready", "-q", "-h", folder, "-t", "1"]
            for _try in range(100):
                if subprocess.run(ready, check=False, env=env).returncode == 0:
                    break
                time.sleep(0.2)
            else:
                raise AssertionError((folder / "log").read_text())
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            # SIGTERM would wait for everybody who is still connected.
            server.send_signal(signal.SIGINT)
            server.wait(30)
    finally:
        shutil.rmtree(folder)

#!/usr/bin/python3
"""What stands in for nbdkit with its vddk plugin, which Debian 12 has not: the arguments that nbdkit-vddk-plugin(1) documents.

It takes them apart as the plugin does, refuses what the plugin would refuse, and hands the rest to the real nbdkit, which serves
the file of the simulator's datastore. Other plugins are none of its business. `BW_TEST_VDDK` names the folder with its settings
(`vddk.json`) and what it was told (`told`).
"""

import json
import os
import sys
from pathlib import Path

REAL = "/usr/bin/nbdkit"
GENERAL = {"--foreground": 0, "--exit-with-parent": 0, "--readonly": 0, "--unix": 1, "--dump-plugin": 0}
FILTERS = {"minblock", "maxdata", "retries", "retry-delay"}
PLUGIN = {
    "libdir",
    "server",
    "port",
    "user",
    "password",
    "thumbprint",
    "vm",
    "snapshot",
    "transports",
    "compression",
    "file",
}
LOGIN = "VixDiskLib_ConnectEx: Cannot complete login due to an incorrect user name or password."


def main() -> None:
    folder = Path(os.environ["BW_TEST_VDDK"])
    if "curl" in sys.argv:
        os.execv(REAL, [REAL, *sys.argv[1:]])  # noqa: S606
    site = json.loads((folder / "vddk.json").read_text())
    general, plugin, params = apart(sys.argv[1:])
    if plugin != "vddk" or not site["plugin"]:
        sys.exit(f"nbdkit: error: cannot open plugin '{plugin}': {plugin}.so: cannot open shared object file")
    if "--dump-plugin" in general:
        dump(Path(params["libdir"]), site["version"])
        return
    with (folder / "told").open("a") as told:
        print(json.dumps(["nbdkit", *sys.argv[1:]]), file=told)
    problem = site["open"]
    if not params["password"].startswith("-"):
        sys.exit("nbdkit: error: the password stands on the command line")
    with os.fdopen(int(params["password"][1:])) as pipe:
        if pipe.read() != site["password"] or params["user"] != site["user"]:
            problem = LOGIN
    if params["thumbprint"] != site["thumbprint"]:
        problem = f"VixDiskLibVim: Failed to verify SSL certificate: actual thumbprint={site['thumbprint']} expected=?"
    data = site["disks"].get(params["file"])
    if data is None:
        problem = problem or f"VixDiskLib_Open: {params['file']}: A file was not found"
    else:
        key, flat = data
        if "snapshot" in params:
            flat = f"{site['frozen']}/{params['snapshot']}-{key}"
    common = [a for a in general if not a.startswith("--filter")]
    if problem:
        failing(common, open=problem)
    if site["read"]:
        failing(common, read=site["read"], size=Path(flat).stat().st_size)
    if site["once"]:
        rests = folder / "failed"
        read = f"if [ ! -e {rests} ]; then touch {rests}; echo 'EIO {site['once']}' >&2; exit 1; fi"
        read += f"; dd if='{flat}' iflag=skip_bytes,count_bytes skip=$4 count=$3 status=none"
        script = [f"get_size=echo {Path(flat).stat().st_size}", f"pread={read}"]
        os.execv(REAL, [REAL, *general, "eval", *(f"{k}={params[k]}" for k in FILTERS), *script])  # noqa: S606
    rest = [f"{k}={params[k]}" for k in FILTERS]
    os.execv(REAL, [REAL, *general, "file", *rest, f"file={flat}"])  # noqa: S606


def apart(args: list[str]) -> tuple[list[str], str, dict[str, str]]:
    general: list[str] = []
    while args[0].startswith("--"):
        name = args.pop(0)
        general.append(name)
        if not name.startswith("--filter="):
            general += [args.pop(0) for _value in range(GENERAL[name])]
    plugin, params = args[0], {}
    for arg in args[1:]:
        if arg == "--dump-plugin":
            general.append(arg)
            continue
        key, _, value = arg.partition("=")
        if key not in FILTERS | PLUGIN or key in params:
            sys.exit(f"nbdkit: error: unknown parameter '{key}'")
        params[key] = value
    return general, plugin, params


def dump(libdir: Path, version: int) -> None:
    print(
        f"path=/usr/lib/nbdkit/plugins/nbdkit-vddk-plugin.so\nname=vddk\nvddk_default_libdir={libdir.parent / 'none'}"
    )
    library = libdir / f"lib64/libvixDiskLib.so.{version}"
    if library.exists():
        print(f"vddk_library_version={version}\nvddk_dll={library}")
        print("VixDiskLib_Open=1\nVixDiskLib_QueryAllocatedBlocks=1")


def failing(general: list[str], open: str = "", read: str = "", size: int = 512) -> None:
    """nbdkit prints what a script says as the error of its plugin, as the vddk plugin does with VDDK's words."""
    words = (open or f"EIO {read}").replace("'", "'\\''")
    fail = f"printf '%s\\n' '{words}' >&2; exit 1"
    script = [f"open={fail}"] if open else [f"pread={fail}"]
    os.execv(REAL, [REAL, *general, "eval", f"get_size=echo {size}", *script])  # noqa: S606


main()

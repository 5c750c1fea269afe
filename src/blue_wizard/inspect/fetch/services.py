"""How the services are set up on each host: their configuration, and whether the database fits their code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from blue_wizard.facts.probe import Command, Reading
from blue_wizard.inspect.facts import host_fact

__all__ = ["ConfigDigests", "Schemas"]


@dataclass(frozen=True)
class ConfigDigests:
    """The digest of each configuration file of a host, by what it is the configuration of (``nova.conf of nova-api``).

    Comments, empty lines, the host's own names and addresses, and what differs on purpose are left out before.
    """

    digests: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def parse(text: str) -> ConfigDigests:
        """Lines of ``DIGEST<tab>NAME``."""
        rows = [line.split("\t", 1) for line in text.splitlines()]
        return ConfigDigests({r[1]: r[0] for r in rows if len(r) == 2 and len(r[0]) == 64})


# Only digests leave the host: the files have passwords. One process, not dozens; for Python 3.6, like all that runs there.
_DIGESTS = r"""
import glob, hashlib, os, re, socket, subprocess

OWN = re.compile(r"\s*(host|my_ip|server_id|local_ip|[a-z_]*workers)\s*=")

def digest(text, names, addresses):
    lines = [x.rstrip() for x in text.splitlines()]
    text = "\n".join(x for x in lines if x and not re.match(r"\s*[#;]", x) and not OWN.match(x))
    for words, stand_in in ((names, "HOST"), (addresses, "ADDRESS")):
        for word in sorted(filter(None, words), key=len, reverse=True):
            text = re.sub(r"(?<![\w.])%s(?![\w]|\.\d)" % re.escape(word), stand_in, text)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()

def main():
    full = socket.gethostname()
    told = subprocess.run(["ip", "-o", "address"], stdout=subprocess.PIPE).stdout.decode("utf-8", "replace")
    addresses = [a for a in re.findall(r" inet6? ([0-9a-fA-F.:]+)", told) if a not in ("127.0.0.1", "::1")]
    running = {}
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                words = f.read().decode("utf-8", "replace").split("\0")[:3]
        except OSError:
            continue
        for word in words:
            # Some call themselves `neutron-server: api worker`; tools come and go.
            name = os.path.basename(word.split(":")[0])
            made = re.match(r"(nova|neutron|cinder|glance|keystone|placement)-[a-z-]+$", name)
            if made and not name.endswith(("-manage", "-status")):
                running.setdefault(made.group(1), set()).add(name)
    files = []
    for path in sorted(glob.glob("/etc/kolla/*/*.conf") + glob.glob("/etc/kolla/*/*.ini")):
        owner = os.path.basename(os.path.dirname(path))
        if owner not in ("haproxy", "keepalived", "fluentd") and not owner.startswith("prometheus"):
            files.append((path, owner))
    for service, roles in sorted(running.items()):
        for name in (service, service + "-api"):
            files.append(("/etc/%s/%s.conf" % (service, name), " ".join(sorted(roles))))
    for path, owner in files:
        try:
            with open(path, "rb") as f:
                text = f.read().decode("utf-8", "replace")
        except OSError:
            continue
        print("%s\t%s of %s" % (digest(text, [full, full.split(".")[0]], addresses), os.path.basename(path), owner))

if __name__ == "__main__":
    main()
"""

host_fact(
    ConfigDigests,
    lambda r: ConfigDigests.parse(_told(r["digests"])),
    digests=Command(("python3", "-I", "-c", _DIGESTS)),
)


def _told(reading: Reading) -> str:
    if reading.absent or reading.status != 0:
        raise ValueError(reading.error.strip() or f"exit status {reading.status}")
    return reading.text


@dataclass(frozen=True)
class Schemas:
    """What the services' own tools say of their databases, as (service, what it said, whether migrations are left)."""

    rows: tuple[tuple[str, str, bool], ...] = ()

    @staticmethod
    def parse(text: str) -> Schemas:
        """Lines of ``SERVICE<tab>EXIT STATUS<tab>LAST WORDS``. What a tool ends with when it can't tell is left out."""
        rows = [line.split("\t", 2) for line in text.splitlines() if line.count("\t") == 2]
        found = []
        for service, status, words in rows:
            left = status in _LEFT.get(service, ()) and _WORDS.get(service, "") in words
            if left or status == "0":
                found.append((service, words.strip(), left))
        return Schemas(tuple(found))


# keystone-manage db_sync --check: 2 to 4. glance-manage db check: 3 to 5. neutron-db-manage has_offline_migrations: 1, which is
# also what it ends with when it fails; so its words must say it.
_LEFT: Mapping[str, frozenset[str]] = {
    "keystone": frozenset({"2", "3", "4"}),
    "glance": frozenset({"3", "4", "5"}),
    "neutron": frozenset({"1"}),
}
_WORDS: Mapping[str, str] = {"neutron": "Need to apply"}
_PATIENT_S = 25.0
# In containers each has one of its own; else the configuration is that of the process that runs.
_SCHEMAS = r"""
for c in docker podman; do command -v $c >/dev/null && $c ps -q >/dev/null 2>&1 && box=$c && break; done
told() { printf '%s\t%s\t%s\n' "$1" "$2" "$(printf %s "$3" | grep . | tail -1 | tr '\t' ' ' | cut -c1-200)"; }
# By the names of processes, then their command lines: that of our own script has all these words.
runs() { for p in $(pgrep -x "$1.*|uwsgi|apache2|httpd"); do
  tr '\0' ' ' < /proc/$p/cmdline | grep -q "$1" && { echo $p; return; }
done; return 1; }
try() {
  s=$1 where=$2; shift 2
  if [ -n "$box" ] && $box inspect "$(echo "$where" | tr - _)" >/dev/null 2>&1; then
    out=$($box exec "$(echo "$where" | tr - _)" "$@" 2>&1); told "$s" $? "$out"; return
  fi
  pid=$(runs "$where") || return
  command -v "$1" >/dev/null || return
  files=$(tr '\0' '\n' < /proc/$pid/cmdline | grep -A1 -E '^--config-(file|dir)$' | grep '^/')
  folder=$(tr '\0' '\n' < /proc/$pid/environ | sed -n 's/^OS_KEYSTONE_CONFIG_DIR=//p')
  tool=$1; shift
  set -- "$@"
  given=""
  for f in $files; do [ -d "$f" ] && given="$given --config-dir $f" || given="$given --config-file $f"; done
  # A process that has renamed itself does not tell its files; the usual one counts if it names a server.
  if [ -z "$given" ] && [ -z "$folder" ]; then
    grep -qE '^connection *= *(mysql|postgresql)' "/etc/$s/$s.conf" 2>/dev/null || return
  fi
  [ "$s" = keystone ] && [ -n "$folder" ] && given="--config-file $folder/keystone.conf"
  out=$(nice -n 19 $tool $given "$@" 2>&1); told "$s" $? "$out"
}
{ try keystone keystone keystone-manage db_sync --check & try glance glance-api glance-manage db check &
  try neutron neutron-server neutron-db-manage has_offline_migrations & wait; }
:
"""

host_fact(
    Schemas,
    lambda r: _schemas(r["tools"]),
    tools=Command(("sh", "-c", _SCHEMAS), _PATIENT_S),
)


def _schemas(tools: Reading) -> Schemas | None:
    found = Schemas.parse(tools.text)
    # A host without any of them has no database of theirs to ask about.
    return found if found.rows else None

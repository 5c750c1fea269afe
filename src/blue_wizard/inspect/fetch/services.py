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


# Only digests leave the host: the files have passwords.
_DIGESTS = r"""
name=$(hostname -s); full=$(hostname -f 2>/dev/null || hostname)
addresses=$(hostname -I 2>/dev/null | tr ' ' '\n' | grep . | sed 's/[.]/[.]/g')
script="s/$full/HOST/g;s/\b$name\b/HOST/g"
for a in $addresses; do script="$script;s|\b$a\b|ADDRESS|g"; done
digest() {
  sed -e '/^[[:space:]]*[#;]/d' -e '/^[[:space:]]*$/d' -e "$script" "$1" |
    grep -v -E '^[[:space:]]*(host|my_ip|server_id|local_ip|[a-z_]*workers)[[:space:]]*=' |
    sha256sum | cut -d' ' -f1
}
for f in /etc/kolla/*/*.conf /etc/kolla/*/*.ini; do
  [ -f "$f" ] || continue
  case $f in */haproxy/*|*/keepalived/*|*/fluentd/*|*/prometheus*) continue;; esac
  printf '%s\t%s of %s\n' "$(digest "$f")" "${f##*/}" "$(basename "$(dirname "$f")")"
done
for s in nova neutron cinder glance keystone placement; do
  for f in /etc/$s/$s.conf /etc/$s/$s-api.conf; do
    [ -f "$f" ] || continue
    roles=$(ps -eo args= | grep -oE "(^|/)$s-[a-z-]+( |$)" | tr -d ' /' | sort -u | tr '\n' ' ')
    [ -n "$roles" ] && printf '%s\t%s of %s\n' "$(digest "$f")" "${f##*/}" "${roles% }"
  done
done
:
"""

host_fact(ConfigDigests, lambda r: ConfigDigests.parse(r["digests"].text), digests=Command(("sh", "-c", _DIGESTS)))


@dataclass(frozen=True)
class Schemas:
    """What the services' own tools say of their databases, as (service, what it said, whether migrations are left)."""

    rows: tuple[tuple[str, str, bool], ...] = ()

    @staticmethod
    def parse(text: str) -> Schemas:
        """Lines of ``SERVICE<tab>EXIT STATUS<tab>LAST WORDS``. What a tool ends with when it can't tell is left out."""
        rows = [line.split("\t", 2) for line in text.splitlines() if line.count("\t") == 2]
        return Schemas(
            tuple(
                (s, words.strip(), status in _LEFT.get(s, ()))
                for s, status, words in rows
                if status in {"0", *_LEFT.get(s, ())}
            )
        )


# keystone-manage db_sync --check: 2 to 4. glance-manage db check: 3 to 5. neutron-db-manage has_offline_migrations: 1.
_LEFT: Mapping[str, frozenset[str]] = {
    "keystone": frozenset({"2", "3", "4"}),
    "glance": frozenset({"3", "4", "5"}),
    "neutron": frozenset({"1"}),
}
_PATIENT_S = 25.0
# In containers each has one of its own; else the configuration is that of the process that runs.
_SCHEMAS = r"""
for c in docker podman; do command -v $c >/dev/null && $c ps -q >/dev/null 2>&1 && box=$c && break; done
told() { printf '%s\t%s\t%s\n' "$1" "$2" "$(printf %s "$3" | tail -1 | tr '\t' ' ' | cut -c1-200)"; }
try() {
  s=$1 where=$2; shift 2
  if [ -n "$box" ] && $box inspect "$where" >/dev/null 2>&1; then
    out=$($box exec "$where" "$@" 2>&1); told "$s" $? "$out"; return
  fi
  pid=$(pgrep -o -f "$where") || return
  command -v "$1" >/dev/null || return
  files=$(tr '\0' '\n' < /proc/$pid/cmdline | grep -A1 -E '^--config-(file|dir)$' | grep '^/')
  folder=$(tr '\0' '\n' < /proc/$pid/environ | sed -n 's/^OS_KEYSTONE_CONFIG_DIR=//p')
  tool=$1; shift
  set -- "$@"
  given=""
  for f in $files; do [ -d "$f" ] && given="$given --config-dir $f" || given="$given --config-file $f"; done
  [ "$s" = keystone ] && [ -n "$folder" ] && given="--config-file $folder/keystone.conf"
  out=$($tool $given "$@" 2>&1); told "$s" $? "$out"
}
{ try keystone keystone keystone-manage db_sync --check & try glance glance.api glance-manage db check &
  try neutron neutron.server neutron-db-manage has_offline_migrations & wait; }
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

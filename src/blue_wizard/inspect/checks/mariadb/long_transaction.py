"""Transactions that are open for long."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.mariadb import DatabaseServer
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["long_transaction"]

_WARN_S = 300


@check(
    "mariadb.long-transaction",
    N_("Transaction is open for long"),
    severity=Severity.WARNING,
    remedy=N_("See who it is (show full processlist, id {id}); ending it (kill {id}) undoes its changes."),
    profile=Profile.DAILY,
)
def long_transaction(server: DatabaseServer) -> Iterable[Finding]:
    """More than 5 minutes: it holds locks, and the undo log grows behind it."""
    for id_, age in server.transactions:
        if age >= _WARN_S:
            yield found(
                f"transaction {id_}",
                N_("A transaction (connection {id}) has been open for {minutes} min."),
                evidence=[f"information_schema.innodb_trx: {id_} {age} s"],
                id=id_,
                minutes=age // 60,
            )

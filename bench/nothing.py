"""A plug-in with an action that does nothing."""

from __future__ import annotations

from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome


@action("bench.nothing")
class Nothing(Action):
    """Nothing."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Nothing."""
        return {}

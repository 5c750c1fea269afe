"""The command line: options that every command shares, errors in one form, exit codes. Thin and lazy.

`--help` imports no client library; each command's module is imported when the command is called.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

import blue_wizard
from blue_wizard import config, text
from blue_wizard.errors import BlueWizardError
from blue_wizard.text import _

__all__ = ["build", "main"]


def build() -> App:
    """The whole command tree, in the language in force."""
    app = App(
        name="blue-wizard",
        help=_("Moves, diagnoses and maintains private clouds on OpenStack and Ceph. Plans first, then acts."),
        version=blue_wizard.__version__,
        result_action="return_value",
    )
    app.command("blue_wizard.commands.migrate:app", name="migrate", help=_("Bring virtual machines into OpenStack."))
    app.command(
        "blue_wizard.commands.stats:app",
        name="stats",
        help=_("What there is, who uses it, when it runs out. Changes nothing."),
    )
    app.command("blue_wizard.commands.host:app", name="host", help=_("Empty a compute host, work on it, give it back."))
    app.command(
        "blue_wizard.commands.osd:app",
        name="osd",
        help=_("Find failed disks of Ceph, replace and rebuild their OSDs."),
    )
    app.command("blue_wizard.commands.diagnose:app", name="diagnose", help=_("Find out what is wrong, and where."))
    app.command("blue_wizard.commands.job:app", name="job", help=_("Look at jobs, resume, cancel and undo them."))
    app.command(
        "blue_wizard.commands.schedule:app",
        name="schedule",
        help=_("Operations that recur: plan and run them at their times."),
    )
    app.command(
        "blue_wizard.commands.job:worker_command",
        name="worker",
        help=_("Execute jobs until told to stop (a job starts one by itself when none is up)."),
    )
    app.command(
        "blue_wizard.commands.inspect:app",
        name="inspect",
        help=_("Look for what is broken or about to break, anywhere in the platform. Changes nothing, but by fix."),
    )
    app.command(
        "blue_wizard.commands.doctor:doctor_command",
        name="doctor",
        help=_("Check that every cloud, host, tool and right is there that will be needed. Changes nothing."),
    )
    app.command(
        "blue_wizard.commands.doctor:hosts_command",
        name="hosts",
        help=_("The hosts of the inventory, and who knows of them."),
    )

    @app.default
    def short(
        *,
        type_: Annotated[
            str | None,
            Parameter(
                name=["--type", "-t"], help=_("Replace the failed OSDs of this type of deployment: kolla-ceph ...")
            ),
        ] = None,
    ) -> int:
        """The short form `blue-wizard -t TYPE`; the help without it."""
        if type_ is None:
            app.help_print([])
            return 0
        from blue_wizard.commands.osd import short_form

        return short_form(type_)

    @app.meta.default
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        lang: Annotated[str | None, Parameter(help=_("Language of the output: en or zh."))] = None,
        cloud: Annotated[str | None, Parameter(help=_("The cloud of clouds.yaml to work on."))] = None,
        config_file: Annotated[str | None, Parameter(name="--config", help=_("The configuration file to use."))] = None,
    ) -> Any:
        del lang  # chosen before the tree was built, so that the help is translated too
        # Workers and other children must see the same choice, so it travels by the environment.
        if cloud:
            os.environ["BLUE_WIZARD_CLOUD"] = cloud
        if config_file:
            os.environ["BLUE_WIZARD_CONFIG"] = config_file
        config.load.cache_clear()
        return app(tokens, exit_on_error=False, print_error=False)

    return app


def _language(argv: list[str]) -> str | None:
    for word, following in zip(argv, [*argv[1:], None], strict=False):
        if word.startswith("--lang="):
            return word.split("=", 1)[1]
        if word == "--lang":
            return following
    return None


def _complain(message: str, hint: str = "") -> None:
    from blue_wizard.report.out import errors

    out = errors()
    out.print(_("Error:"), message, style="red", markup=False)
    if hint:
        out.print(hint, markup=False)


def main(argv: list[str] | None = None) -> int:
    """Run one command. Returns its exit code (the table stands in README)."""
    tokens = sys.argv[1:] if argv is None else argv
    lang = _language(tokens)
    if lang is not None and lang not in text.languages():
        _complain(f"--lang {lang}: " + _("known languages are {known}").format(known=", ".join(text.languages())))
        return 2
    chosen = text.use(lang)
    os.environ["BLUE_WIZARD_LANG"] = chosen
    try:
        result = build().meta(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as e:
        _complain(str(e), _("See: blue-wizard --help"))
        return 2
    except BlueWizardError as e:
        _complain(e.message, e.hint)
        return e.exit_code
    except KeyboardInterrupt:
        _complain(_("Interrupted."), _("Nothing is lost: blue-wizard job list shows where the jobs stand."))
        return 130
    except BrokenPipeError:
        # The reader (head, less) went away; that is its right.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0

"""User-visible text: English msgids through gettext, with the catalogue of `locale/`.

from blue_wizard.text import _
_("Server {name} already exists.").format(name=name)
"""

from __future__ import annotations

import gettext
import os
from pathlib import Path

__all__ = ["N_", "_", "current", "languages", "translated", "use"]

LOCALE = Path(__file__).parent / "locale"
_chosen = "en"
_current: gettext.NullTranslations = gettext.NullTranslations()


def languages() -> tuple[str, ...]:
    """The languages that `--lang` takes."""
    return ("en", "zh")


def current() -> str:
    """The language in force."""
    return _chosen


def use(lang: str | None = None) -> str:
    """Choose the language of all further text: `lang`, else BLUE_WIZARD_LANG, LC_ALL, LC_MESSAGES, LANG. Returns it."""
    global _current, _chosen
    names = [lang] if lang else [os.environ.get(k, "") for k in ("BLUE_WIZARD_LANG", "LC_ALL", "LC_MESSAGES", "LANG")]
    first = next((n for n in names if n), "en")
    chosen = "zh" if first.lower().startswith("zh") else "en"
    _current = (
        gettext.translation("blue_wizard", LOCALE, ["zh_CN"], fallback=True)
        if chosen == "zh"
        else gettext.NullTranslations()
    )
    _chosen = chosen
    return chosen


def _(message: str) -> str:
    """The message in the chosen language."""
    return _current.gettext(message) if message else ""


def N_(message: str) -> str:
    """Mark a message that is translated later, by `translated`: what is registered at import knows no language yet."""
    return message


def translated(message: str) -> str:
    """A message that was marked with `N_`, in the chosen language."""
    return _current.gettext(message) if message else ""

"""Role "clean": remove what dead runs left on this host. It says {"cleaned": {"removed", "running", "failed"}}."""

from blue_wizard.diagnose.agent.base import Orders, end_after, say
from blue_wizard.diagnose.agent.made import sweep


def clean() -> None:
    order = Orders().wait()
    if order is not None:
        end_after(order["deadline_s"])
        say(cleaned=sweep())


if __name__ == "__main__":
    clean()

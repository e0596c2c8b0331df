"""The one command: each first word belongs to a package, imported only when it is asked for.

A street cabinet has no cloud installed, and a quick command should not load what it does not use.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from contract.errors import ConfigError, GridwardenError

OK, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Where a first word's typer app is, what it needs installed, and what it does."""

    module: str
    extra: str
    help: str


COMMANDS: dict[str, Command] = {
    "demo": Command(
        module="simulators.demo.cli",
        extra="demo",
        help="the whole line with simulated devices, until Ctrl-C",
    ),
    "edge": Command(
        module="edge.cli", extra="", help="check a cabinet's configuration, run its agent"
    ),
    "cloud": Command(
        module="cloud.cli", extra="cloud", help="run intake and web, add accounts, count readings"
    ),
    "alerts": Command(
        module="cloud.alerts_cli", extra="cloud", help="how well alerts serve those who answer"
    ),
    "cases": Command(
        module="cloud.cases.cli",
        extra="cloud",
        help="list, show and move cases, their evidence, and other systems",
    ),
    "notify": Command(
        module="cloud.notify.cli", extra="cloud", help="who is told of alerts, when, by what"
    ),
    "profile": Command(
        module="device_profiles.cli", extra="", help="list, show, check and test device profiles"
    ),
    "prove": Command(
        module="cloud.prove",
        extra="cloud",
        help="hold what the simulators served against what is stored",
    ),
    "rules": Command(
        module="cloud.rules.cli", extra="cloud", help="list, check, explain and try alert rules"
    ),
    "simulate": Command(
        module="simulators.cli", extra="", help="serve simulated devices, no hardware needed"
    ),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process: 0 done, 1 it ran but failed, 2 it was refused."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        _say(_usage())
        sys.exit(OK if words else REFUSED)
    if words[0] in ("-V", "--version"):
        _say(f"gridwarden {version('gridwarden')}")
        sys.exit(OK)
    command = COMMANDS.get(words[0])
    if command is None:
        _complain(f"unknown command {words[0]!r}; allowed: {', '.join(COMMANDS)}")
        sys.exit(REFUSED)
    os.umask(0o077)  # passwords, readings and people's names are nobody else's
    try:
        sys.exit(_run(command, words))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run(command: Command, words: list[str]) -> int:
    try:
        app = importlib.import_module(command.module).app
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in ("cloud", "contract", "device_profiles", "edge", "simulators"):
            raise
        _complain(
            f"`gridwarden {words[0]}` needs the package {package!r};"
            f" run: pip install 'gridwarden[{command.extra}]'"
        )
        return REFUSED
    app.pretty_exceptions_enable = False  # pages long, and variables may hold secrets
    try:
        app(args=words[1:], prog_name=f"gridwarden {words[0]}")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else FAILED
    except ConfigError as error:
        for problem in error.problems:
            _complain(problem)
        return REFUSED
    except GridwardenError as error:
        _complain(str(error))
        return FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return OK


def _usage() -> str:
    rows = "\n".join(f"  {name:<10}{command.help}" for name, command in COMMANDS.items())
    return f"usage: gridwarden COMMAND …\n\n{rows}\n\ngridwarden COMMAND --help tells more"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()

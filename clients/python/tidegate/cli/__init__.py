"""The command ``tidegate``.

One module a command group; each is imported only when it is run, so that help and wrong usage answer at
once. This module imports nothing of gRPC. Exit codes: 0 fine, 1 the gateway (or the data) said no, 2 wrong
usage, 130 interrupted.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import TYPE_CHECKING

import click

from tidegate import __version__
from tidegate.cli.values import ADDRESS, format_examples

if TYPE_CHECKING:
    from typing import Any

COMMANDS = {
    "serve": "Run a gateway until Ctrl-C or SIGTERM, then drain it.",
    "schema": "Check, register, read, compare and delete schemas.",
    "topic": "Make, change, read and delete topics.",
    "publish": "Publish events from JSON lines.",
    "subscribe": "Write events as JSON lines, until Ctrl-C.",
    "read": "Write stored events as JSON lines, and end.",
    "group": "Make, change, move, read and delete groups.",
    "dead-letters": "Read, redrive and purge what groups gave up.",
    "replay": "Publish stored events to another topic again.",
    "stubs": "Write typed stubs of a topic, in the language of its programs.",
}
"""From a command's name, which is its module's and its function's too, to the first sentence of its help.

Where a name has a hyphen, module and function have an underscore.
"""

INTERRUPTED = 130
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a file that is written to may say; who runs the command can do something about it."""


class Commands(click.Group):
    """The root of the commands: imports a command's module when it is needed, and no sooner."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Answers the names in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Imports a command's module and answers the command."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"tidegate.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Writes the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; a reader of its output that has had enough ends it without a complaint."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # The interpreter flushes stdout once more when it ends; that must not fail.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return None
        except UnicodeEncodeError as error:
            wrong = [each for each in sys.argv[1:] if not _is_text(each)]
            if not wrong:
                raise
            raise click.UsageError(f"{wrong[0]!a} is not UTF-8.") from error
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.ClickException(f"can't write the output: {error.strerror}") from error
        return result


def _is_text(argument: str) -> bool:
    """Tells whether an argument is UTF-8; names of files need not be."""
    return os.fsencode(argument) == argument.encode(errors="replace")


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=format_examples(
        "tidegate serve --engine sqlite:///var/lib/tidegate/log.db",
        "tidegate schema register flights proto/flights.proto",
        "tidegate topic create airport.departures --subject flights",
        "tidegate publish airport.departures --type flights.v1.Departed departures.jsonl",
        "tidegate subscribe airport.departures --from earliest | head -3",
        "tidegate read airport.departures --key UA-EWR --last 10",
        "tidegate stubs airport.departures --lang python --out gen",
    ),
)
@click.option(
    "--server",
    type=ADDRESS,
    default="127.0.0.1:7420",
    envvar="TIDEGATE_SERVER",
    show_envvar=True,
    show_default=True,
    help="The gateway to talk to.",
)
@click.version_option(__version__, message="tidegate %(version)s")
@click.pass_context
def cli(ctx: click.Context, server: str) -> None:
    """Tidegate: a gate that typed events flow through.

    Results go to stdout, everything else to stderr. Exit codes: 0 fine, 1 the gateway or the data said no,
    2 wrong usage.
    """
    ctx.obj = server


def main() -> None:
    """Runs the command line and ends the process with the exit code that fits."""
    try:
        status = cli.main(prog_name="tidegate", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)

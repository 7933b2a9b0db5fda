"""``tidegate serve``: runs a gateway in this process. No other module here imports the server."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.app import CannotListen, CannotOpenLog, run
from gateway.config import InvalidConfig, load_config
from tidegate import __version__
from tidegate.cli.values import format_examples


@click.command(
    epilog=format_examples(
        "tidegate serve",
        "tidegate serve --engine sqlite:///var/lib/tidegate/log.db",
        "tidegate serve --listen 127.0.0.1:0 --config tidegate.toml",
    )
)
@click.option("--listen", metavar="HOST:PORT", help="Address; port 0 picks a free one.  [127.0.0.1:7420]")
@click.option("--engine", metavar="URL", help="Where the log is.  [sqlite:tidegate.db, in this folder]")
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with any of the gateway's settings; the options above go first.",
)
def serve(listen: str | None, engine: str | None, config_file: Path | None) -> None:
    """Run a gateway until Ctrl-C or SIGTERM, then drain it.

    One line on stdout says when it is ready, and its address. Everything else goes to stderr.
    """
    try:
        config = load_config(config_file, listen=listen, engine=engine)
    except InvalidConfig as error:
        raise click.UsageError(str(error)) from error

    def announce(address: str) -> None:
        click.echo(f"tidegate {__version__} ready on {address}, log {config.engine}")

    try:
        run(config, announce)
    except (CannotListen, CannotOpenLog) as error:
        raise click.ClickException(str(error)) from error

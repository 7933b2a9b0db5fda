"""The options that say what versions promise each other. Imports click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

DIRECTIONS = (
    "NONE",
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
)
SURFACES = ("WIRE", "WIRE_JSON", "SOURCE")
MODES = ("READ_WRITE", "READ_ONLY", "IMPORT")


class NameType(click.Choice[str]):
    """One of some names, in capitals or not, with ``-`` or ``_``."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(names, case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Answers the name as the contract has it."""
        return super().convert(str(value).replace("-", "_"), param, ctx)


def direction_option(text: str) -> Callable[[Any], Any]:
    """Answers the option ``--direction``."""
    return click.option("--direction", type=NameType(DIRECTIONS), help=text)


def surface_option(text: str) -> Callable[[Any], Any]:
    """Answers the option ``--surface``."""
    return click.option("--surface", type=NameType(SURFACES), help=text)


message_option: Callable[[Any], Any] = click.option(
    "-m", "--message", default="", help="Why; it is recorded with the change."
)
"""The option of every command that changes the registry."""

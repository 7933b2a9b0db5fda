"""The values that options take, what is said when they are wrong, and how they are shown. Imports click."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
BYTES = {
    "B": 1,
    **{f"{prefix}B": 1_000**power for power, prefix in enumerate("kMGT", 1)},
    **{f"{prefix}iB": 1_024**power for power, prefix in enumerate("KMGT", 1)},
}
HIGHEST_SEQUENCE = 2**63 - 1
LONGEST_AGE = 10_000 * 365 * 86_400  # what a google.protobuf.Duration can hold
UNLIMITED = "none"
MOST_IN_FLIGHT = click.IntRange(1, 100_000)
"""How many events a group, or a member of it, may be asked to have at once."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a subscription starts; exactly one of the three is set.

    Attributes:
        end: ``earliest`` or ``latest``.
        sequence: The first sequence to read.
        time: The first event to read is not older than this; has a time zone.
    """

    end: str | None = None
    sequence: int | None = None
    time: datetime | None = None


class AddressType(click.ParamType[str]):
    """``HOST:PORT``; an IPv6 host stands in brackets."""

    name = "HOST:PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Answers the address, as it is."""
        host, colon, port = str(value).rpartition(":")
        if not (host and colon and port.isdecimal() and 0 < int(port) < 65_536) or "/" in host:
            self.fail(f"{value!r} is no address: HOST:PORT, such as 127.0.0.1:7420.", param, ctx)
        return str(value)


class QuantityType(click.ParamType[int]):
    """A number with a unit, such as ``7d`` or ``10GB``; ``none`` is 0."""

    def __init__(self, name: str, units: Mapping[str, int], highest: int, example: str) -> None:
        self.name = name
        self._units = units
        self._highest = highest
        self._example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Answers the quantity in seconds or bytes; 0 for ``none``."""
        if isinstance(value, int):
            return value
        if value == UNLIMITED:
            return 0
        match = re.fullmatch(r"(\d{1,18}) ?([A-Za-z]+)", str(value), re.ASCII)
        unit = (
            {name.lower(): size for name, size in self._units.items()}.get(match[2].lower())
            if match
            else None
        )
        if match is None or unit is None:
            self._refuse(value, param, ctx)
        quantity = int(match[1]) * unit
        if not 0 < quantity <= self._highest:
            self.fail(
                f"{value!r} must be above 0 and at most {self._highest:,} (or {UNLIMITED}).", param, ctx
            )
        return quantity

    def _refuse(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> NoReturn:
        units = ", ".join(self._units)
        self.fail(
            f"{value!r} is no {self.name.lower()}: a whole number and one of {units}, "
            f"such as {self._example}; or {UNLIMITED}.",
            param,
            ctx,
        )


class PositionType(click.ParamType[Position]):
    """``earliest``, ``latest``, a sequence, or a time with its zone."""

    name = "POSITION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Position:
        """Answers the position that the text names."""
        if isinstance(value, Position):
            return value
        text = str(value)
        if text in ("earliest", "latest"):
            return Position(end=text)
        if text.isascii() and text.isdecimal():
            return Position(sequence=SEQUENCE.convert(text, param, ctx))
        return Position(time=self._time(text, param, ctx))

    def _time(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is no position: earliest, latest, a sequence such as 1200, or a time such as "
                f"2013-01-04T12:00:00Z.",
                param,
                ctx,
            )
        if time.utcoffset() is None:
            self.fail(f"{text!r} has no time zone: add Z for UTC, or an offset such as -05:00.", param, ctx)
        return time


class SequenceType(click.ParamType[int]):
    """The sequence of an event."""

    name = "SEQUENCE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Answers the number."""
        if isinstance(value, int):
            return value
        text = str(value)
        if not re.fullmatch(r"\d{1,19}", text, re.ASCII) or not 1 <= int(text) <= HIGHEST_SEQUENCE:
            self.fail(f"{text!r} is no sequence: they go from 1 to {HIGHEST_SEQUENCE}.", param, ctx)
        return int(text)


class DurationType(click.ParamType[float]):
    """A number with a unit of time, such as ``30s`` or ``500ms``."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Answers the seconds."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?(ms|s|m|h|d)", str(value), re.ASCII)
        if match is None:
            self.fail(
                f"{value!r} is no duration: a number and one of ms, s, m, h, d, such as 30s.", param, ctx
            )
        return float(match[1]) * (0.001 if match[2] == "ms" else SECONDS[match[2]])


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast events are replayed; at most one of the two is set, and neither means: as fast as it goes.

    Attributes:
        factor: How many times as fast as they were recorded.
        per_second: How many a second.
    """

    factor: float | None = None
    per_second: float | None = None


class SpeedType(click.ParamType[Speed]):
    """``as-recorded``, ``N/s``, ``Nx`` or ``max``."""

    name = "SPEED"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Speed:
        """Answers the speed that the text names."""
        if isinstance(value, Speed):
            return value
        text = str(value)
        if text in ("max", "as-recorded"):
            return Speed() if text == "max" else Speed(factor=1.0)
        match = re.fullmatch(
            "([0-9]{1,9}(?:[.][0-9]{1,9})?) ?(/s|x|\N{MULTIPLICATION SIGN})", text, re.ASCII | re.IGNORECASE
        )
        number = float(match[1]) if match else 0.0
        if match is None or not number:
            self.fail(
                f"{text!r} is no speed: as-recorded, a number a second such as 500/s, a number of times as "
                f"fast as recorded such as 10x, or max.",
                param,
                ctx,
            )
        return Speed(per_second=number) if match[2] == "/s" else Speed(factor=number)


ADDRESS = AddressType()
AGE = QuantityType("AGE", SECONDS, LONGEST_AGE, "7d")
SIZE = QuantityType("SIZE", BYTES, HIGHEST_SEQUENCE, "10GB")
SEQUENCE = SequenceType()
POSITION = PositionType()
DURATION = DurationType()
SPEED = SpeedType()


def format_age(age: timedelta) -> str:
    """Answers an age in days, or in the largest unit below that fits it without a rest."""
    seconds = age.total_seconds()
    for unit in ("d", "h", "m"):
        if seconds % SECONDS[unit] == 0:
            return f"{seconds // SECONDS[unit]:.0f}{unit}"
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"


def format_size(size: int) -> str:
    """Answers a number of bytes with a decimal unit, for people."""
    for unit in ("TB", "GB", "MB", "kB"):
        if size >= BYTES[unit]:
            return f"{size / BYTES[unit]:.1f} {unit}"
    return f"{size} B"


def format_examples(*commands: str) -> str:
    """Answers the end of a command's help: its examples, as they are to be typed."""
    # \b keeps click from wrapping what follows.
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)

"""``python -m tests.bench``: measures, and prints what it found."""

from __future__ import annotations

import os
import signal
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from tests.bench import (
    backtest,
    catch_up,
    filters,
    groups,
    history,
    latency,
    memory,
    profile,
    registry,
    throughput,
    typed,
)
from tests.bench.processes import SideFailed
from tests.bench.report import as_json, print_tables, versions
from tests.bench.servers import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.bench.report import Row

PARTS = (
    "throughput",
    "latency",
    "memory",
    "catch-up",
    "registry",
    "backtest",
    "typed",
    "groups",
    "filters",
    "history",
)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: Runs of each side, in turns.
        seconds: How long each run publishes.
        light_seconds: How long each run at light load publishes.
        stuck_bytes: What flows past the stuck subscriber.
        stored_events: The history to catch up with.
    """

    rounds: int
    seconds: float
    light_seconds: float
    stuck_bytes: float
    stored_events: int


FULL = Effort(rounds=5, seconds=2.5, light_seconds=5.0, stuck_bytes=5e9, stored_events=5_000_000)
QUICK = Effort(rounds=1, seconds=2.0, light_seconds=4.0, stuck_bytes=3e8, stored_events=500_000)


def measure(part: str, place: Place, effort: Effort) -> Iterator[Row]:
    """Measures one part; each of its rows comes as soon as it is known."""
    rounds, seconds, light = effort.rounds, effort.seconds, effort.light_seconds
    measures: dict[str, Callable[[], Iterator[Row]]] = {
        "throughput": lambda: throughput.measure(place, rounds, seconds),
        "latency": lambda: latency.measure(place, rounds, light),
        "memory": lambda: memory.measure(place, effort.stuck_bytes),
        "catch-up": lambda: catch_up.measure(place, rounds, effort.stored_events),
        "registry": lambda: registry.measure(place, rounds),
        "backtest": lambda: backtest.measure(place, rounds, seconds, effort.stored_events),
        "typed": lambda: typed.measure(place, rounds, seconds),
        "groups": lambda: groups.measure(place, rounds, effort.stored_events),
        "filters": lambda: filters.measure(place, rounds, effort.stored_events // 5),
        "history": lambda: history.measure(place, rounds, seconds, effort.stored_events),
        "profile": lambda: profile.measure(place, light),
    }
    return measures[part]()


def fsync_ms(folder: Path) -> float:
    """Answers how long the disk takes to make 100 kB durable: the median of a hundred times."""
    took = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(100):
            file.write(bytes(100_000))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - started)
    return statistics.median(took) * 1e3


@click.command()
@click.option(
    "--only",
    type=click.Choice((*PARTS, "profile")),
    multiple=True,
    help="Measure only this part; repeatable.",
)
@click.option("--quick", is_flag=True, help="Everything once and short, in about three minutes.")
@click.option(
    "--loop", type=click.Choice(["uvloop", "asyncio"]), default="uvloop", help="The servers' event loop."
)
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default="/var/tmp",  # noqa: S108  # a real disk where /tmp is memory
    help="Where logs are put, on the disk to measure with; up to 6 GB.",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON instead of tables.")
def main(only: tuple[str, ...], quick: bool, loop: str, folder: Path, json_wanted: bool) -> None:  # noqa: FBT001
    """Measure Tidegate beside bare gRPC on this machine.

    Exits with 0 whether or not targets are met: a reader knows how busy the machine is. Exits with 1 if a
    measurement failed. The part `profile`, which needs py-spy on the PATH, comes only when it is named.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that everything is cleaned up
    effort, place = QUICK if quick else FULL, Place(folder, loop)
    machine = {
        **versions(),
        "processors": os.cpu_count(),
        "loop": loop,
        "fsync_ms": round(fsync_ms(folder), 3),
    }
    rows: list[Row] = []
    try:
        measure_all(only or PARTS, place, effort, rows)
    except SideFailed as error:
        raise click.ClickException(str(error)) from error
    finally:
        show(rows, machine, json_wanted=json_wanted)


def measure_all(parts: Sequence[str], place: Place, effort: Effort, rows: list[Row]) -> None:
    """Measures parts and appends their rows, saying on a terminal how far it is.

    Raises:
        SideFailed: A process failed; the rows before are there.
    """
    with Console(stderr=True).status("starting") as status:
        for part in parts:
            status.update(f"{part} …")
            with closing(measure(part, place, effort)) as measuring:
                for row in measuring:
                    rows.append(row)
                    status.update(f"{part}: {row.case} done …")


def show(rows: Sequence[Row], machine: Mapping[str, object], *, json_wanted: bool) -> None:
    """Prints rows as tables, or as JSON text."""
    if json_wanted:
        click.echo(as_json(rows, machine))
        return
    out = Console(width=None if sys.stdout.isatty() else 130)
    out.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print_tables(out, rows)


if __name__ == "__main__":
    main()

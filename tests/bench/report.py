"""What was measured, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import grpc
from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report.

    Attributes:
        part: The part of the benchmark.
        case: What was measured.
        unit: Of the figures: ``events/s``, ``ms`` or ``MB``.
        tidegate: The median of what Tidegate reached.
        bare: The median of what bare gRPC reached, None where there is nothing to compare with.
        target: What is to be reached, in words; empty if nothing is.
        met: Whether it was; None without a target.
        facts: Further figures by name, such as processor time and bytes.
        samples: What the medians were taken of, by name; only in JSON.
    """

    part: str
    case: str
    unit: str
    tidegate: float
    bare: float | None = None
    target: str = ""
    met: bool | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Tidegate's figure as a part of the bare one."""
        return self.tidegate / self.bare if self.bare else None


def percentile(figures: Iterable[float], share: float) -> float:
    """Answers the figure that ``share`` of all do not exceed."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def print_tables(console: Console, rows: Sequence[Row]) -> None:
    """Prints a table for each part."""
    for part in dict.fromkeys(row.part for row in rows):
        console.print(_table(part, [row for row in rows if row.part == part]))


def _table(part: str, rows: Sequence[Row]) -> Table:
    table = Table(title=part, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("")
    for heading in ("bare gRPC", "Tidegate", "of bare"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("to reach")
    table.add_column("besides", style="dim")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> tuple[str, ...]:
    mark = {True: "[green]✓[/] ", False: "[red]✗[/] ", None: ""}[row.met]
    return (
        row.case,
        _figure(row.bare, row.unit),
        _figure(row.tidegate, row.unit),
        "" if row.ratio is None else f"{row.ratio:.2f}",
        mark + row.target,
        ", ".join(f"{name.replace('_', ' ')} {_round(value)}" for name, value in row.facts.items()),
    )


def _figure(value: float | None, unit: str) -> str:
    return "" if value is None else f"{_round(value)} {unit}"


def _round(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def as_json(rows: Sequence[Row], machine: Mapping[str, object]) -> str:
    """Answers everything as one JSON object."""
    return json.dumps(
        {"machine": machine, "rows": [asdict(row) | {"ratio": row.ratio} for row in rows]}, indent=2
    )


def versions() -> dict[str, str]:
    """Answers what the figures depend on besides the machine."""
    return {"python": platform.python_version(), "grpcio": grpc.__version__, "system": platform.platform()}

"""What the demo draws: running counts on a terminal, plain lines elsewhere."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.progress import TaskID

NAME_WIDTH = 26


class Screen:
    """Writes the demo's story to stdout."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False, soft_wrap=True)
        self._progress = Progress(console=self._console)
        self._bars: dict[str, TaskID] = {}

    def say(self, what: str, details: str) -> None:
        """Writes one step of the story."""
        # One call: running counts are drawn anew behind each.
        self._console.print(Text.assemble((f"{what:<{NAME_WIDTH}}", "bold"), details))

    def show_table(self, title: str, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Writes a table: a name in the first column, numbers in the others."""
        table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
        for index, header in enumerate(headers):
            table.add_column(header, justify="right" if index else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        self._console.print(table)

    @contextmanager
    def counting(self, totals: Mapping[str, int]) -> Iterator[None]:
        """Draws a running count for each name while the context lasts; without a terminal, writes it then."""
        is_terminal = self._console.is_terminal
        name = TextColumn(f"{{task.description:<{NAME_WIDTH - 1}}}")
        columns = (name, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=self._console, disable=not is_terminal)
        self._bars = {name: self._progress.add_task(name, total=total) for name, total in totals.items()}
        with self._progress:
            yield
        if not is_terminal:
            for task in self._progress.tasks:
                self.say(task.description, f"{task.completed:,.0f} of {task.total or 0:,.0f}")

    def count(self, name: str, count: int) -> None:
        """Sets a running count."""
        if name in self._bars:
            self._progress.update(self._bars[name], completed=count)

    def advance(self, name: str) -> None:
        """Adds one to a running count."""
        self._progress.advance(self._bars[name])

"""Writes what nobody should type in docs/compatibility.md: what commands print, and the table of rules.

    make docs

runs the page from top to bottom against a gateway of its own. A `proto` block is the file `shop.proto`, a
`diff` block edits it, and a `text` block below a `sh` block is what its commands print. Each conversation
(`###`) begins with the file as the `proto` block has it. Tests hold that the page is what this writes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from registry.compat.catalogue import RULES
from registry.compat.promise import Surface, Verdict, Way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.compat.rule import Rule

    _Cell = tuple[Way, Surface]

PAGE = Path(__file__).with_name("compatibility.md")
_BLOCK = re.compile(r"^```(proto|diff|sh|text)\n(.*?)^```\n|^### [^\n]+\n", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"(?<=<!-- rules -->\n).*?(?=<!-- end of rules -->)", re.DOTALL)
_CELLS = tuple((way, surface) for way in Way for surface in Surface)[:-1]  # FORWARD SOURCE is as WIRE_JSON
_MARKS = {Verdict.FINE: "·", Verdict.NOTICE: "notice", Verdict.BREAKS: "**breaks**"}


def main() -> None:
    """Rewrites the page in its place."""
    PAGE.write_text(generated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def generated(page: str) -> str:
    """Answers the page with its table and all that its commands print."""
    with tempfile.TemporaryDirectory() as folder, _gateway(Path(folder)) as address:
        page = _Conversation(Path(folder), address).told(page)
    return _TABLE.sub(lambda _: f"\n{rules_table()}\n", page)


@contextmanager
def _gateway(folder: Path) -> Iterator[str]:
    """Runs a gateway on a free port, and answers its address."""
    command = ["tidegate", "serve", "--listen", "127.0.0.1:0", "--engine", f"sqlite:///{folder}/log.db"]
    said = folder / "gateway.log"
    with (
        said.open("w") as log,
        subprocess.Popen(
            command, env=_environment(), stdout=subprocess.PIPE, stderr=log, text=True
        ) as gateway,
    ):
        try:
            ready = re.search(r"ready on ([^,]+),", gateway.stdout.readline() if gateway.stdout else "")
            if ready is None:
                sys.exit(f"the gateway does not start:\n{said.read_text()}")
            yield ready[1]
        finally:
            gateway.terminate()


def _environment() -> dict[str, str]:
    """Answers an environment in which this installation's commands are found, and write plain text."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "NO_COLOR": "1", "COLUMNS": "100"}


class _Conversation:
    """A person who edits `shop.proto` and types commands, as the page tells it."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder = folder
        self._environment = _environment() | {"TIDEGATE_SERVER": address}
        self._file = folder / "shop.proto"
        self._first = ""
        self._printed = ""

    def told(self, page: str) -> str:
        """Does what the blocks say, and answers the page with what is printed."""
        return _BLOCK.sub(self._block, page)

    def _block(self, block: re.Match[str]) -> str:
        kind, text = block[1], block[2]
        match kind:
            case "proto":
                self._first = text
                self._file.write_text(text, encoding="utf-8")
            case "diff":
                self._edit(text)
            case "sh":
                self._printed = self._run(text)
            case "text":
                return f"```text\n{self._printed}```\n"
            case _:
                self._file.write_text(self._first, encoding="utf-8")
        return block[0]

    def _edit(self, diff: str) -> None:
        lines = diff.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        text = self._file.read_text(encoding="utf-8")
        if text.count(old) != 1:
            sys.exit(f"what is to be edited is not in shop.proto once:\n{diff}\nbut:\n{text}")
        self._file.write_text(text.replace(old, new), encoding="utf-8")

    def _run(self, commands: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"exec 2>&1; {commands}"],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        return "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"


def rules_table() -> str:
    """Answers the table of all rules, in Markdown."""
    columns = (f"{way.value} {surface.value}" for way, surface in _CELLS)
    head = f"| rule | {' | '.join(columns)} | why |\n|---|{'---|' * (len(_CELLS) + 1)}\n"
    return head + "".join(map(_row, RULES.values()))


def _row(rule: Rule) -> str:
    marks = " | ".join(_MARKS[rule.cells[cell].verdict] for cell in _CELLS)
    kinds = ("history" if rule.lineage else "", "" if rule.buf else "not in Buf")
    kind = ", ".join(filter(None, kinds))
    return f"| `{rule.id}`<br>{rule.title}{f' *({kind})*' if kind else ''} | {marks} | {_why(rule)} |\n"


def _why(rule: Rule) -> str:
    """Answers the reasons, each once, and before each the cells that it is for, unless it is for all."""
    reasons: dict[str, list[_Cell]] = {}
    for cell in _CELLS:
        reasons.setdefault(rule.cells[cell].why, []).append(cell)
    if len(reasons) == 1:
        return next(iter(reasons))
    return "<br>".join(f"*{_names(cells)}*: {why}" for why, cells in reasons.items())


def _names(cells: list[_Cell]) -> str:
    """Names cells in as few words as it takes: a way, a surface, or one by one."""
    for way in Way:
        if set(cells) == {cell for cell in _CELLS if cell[0] is way}:
            return way.value
    names: dict[str, None] = {}
    for way, surface in cells:
        other = {cell for cell in _CELLS if cell[1] is surface and cell[0] is not way}
        names[surface.value if other <= set(cells) else f"{way.value} {surface.value}"] = None
    return ", ".join(names)


if __name__ == "__main__":
    main()

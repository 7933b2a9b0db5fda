"""What a language module answers."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tidegate.cli.stubbing.plan import Plan, Stream


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that a language needs, and the command that installs it."""

    name: str
    install: str

    def find(self, folders: Iterable[Path] = ()) -> str | None:
        """Answers its path: in the search path, or else in one of some folders."""
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), *map(str, folders)))
        return shutil.which(self.name, path=path)


@dataclass(frozen=True, slots=True)
class Made:
    """What was made for a language.

    Attributes:
        steps: The next commands, in their order, each with what it does.
        program: The name of the program that tries the stubs, and its text.
        missing: The tools that were not found; then nothing was generated.
        notes: Further sentences for the README.
    """

    steps: Sequence[tuple[str, str]]
    program: tuple[str, str]
    missing: Sequence[Tool] = ()
    notes: Sequence[str] = ()


class Language(Protocol):
    """Makes stubs in one language."""

    title: str
    """How people write it."""
    protos: str
    """The folder for the .proto files, below the folder of the stubs."""

    def make(self, plan: Plan, folder: Path, stream: Stream) -> Made:
        """Generates what can be generated into a folder that has the .proto files.

        Args:
            plan: What to generate from.
            folder: Where to.
            stream: The typed stream that the program is to show.

        Raises:
            click.ClickException: A tool failed.
        """
        ...

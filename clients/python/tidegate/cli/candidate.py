"""The schema that a command is given: the arguments and options that say which, and what they come to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidegate.cli.sources import Sources, collect_sources

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_REFERENCE = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)(?:@([1-9][0-9]{0,9}))?", re.ASCII)


class ReferenceType(click.ParamType[tuple[str, int]]):
    """``SUBJECT`` or ``SUBJECT@VERSION``."""

    name = "SUBJECT[@VERSION]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Answers the subject and the version, 0 for the latest one."""
        if isinstance(value, tuple):
            return value
        match = _REFERENCE.fullmatch(str(value))
        if match is None or int(match[2] or 0) >= 2**32:
            self.fail(f"{value!r} is no reference: SUBJECT or SUBJECT@VERSION, such as money@2.", param, ctx)
        return match[1], int(match[2] or 0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schema as the command line names it: sources, or a descriptor set.

    Attributes:
        subject: The subject's name.
        sources: Its files; without any if it is a descriptor set.
        descriptor_set: The descriptor set; None if it is sources.
        references: Other subjects whose files it imports, with their versions; 0 is the latest one.
    """

    subject: str
    sources: Sources = field(default_factory=Sources)
    descriptor_set: bytes | None = None
    references: dict[str, int] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """Answers the schema as the client's methods take it."""
        if self.descriptor_set is not None:
            return {"descriptor_set": self.descriptor_set, "references": self.references}
        return {"files": self.sources.texts, "references": self.references}


def schema_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what names a schema: SUBJECT, files or a descriptor set, and references."""
    for parameter in reversed(
        (
            click.argument("subject"),
            click.argument("files", metavar="[FILE.proto]...", nargs=-1, type=FILE),
            click.option(
                "-I",
                "folders",
                metavar="DIR",
                multiple=True,
                type=FOLDER,
                help="Folder that names and imports are relative to. Default: each file's own folder.",
            ),
            click.option(
                "--descriptor-set", type=FILE, help="A serialized FileDescriptorSet, instead of files."
            ),
            click.option(
                "--reference",
                "references",
                multiple=True,
                type=ReferenceType(),
                help="Another subject whose files are imported; without a version, its latest one.",
            ),
        )
    ):
        command = parameter(command)
    return command


def read_candidate(
    *,
    subject: str,
    files: tuple[Path, ...],
    folders: tuple[Path, ...],
    descriptor_set: Path | None,
    references: tuple[tuple[str, int], ...],
) -> Candidate:
    """Reads the schema that ``schema_arguments`` name.

    Raises:
        click.UsageError: They name none, or it in two ways.
        click.ClickException: A file can't be read.
    """
    if bool(files) == bool(descriptor_set):
        raise click.UsageError("Name either .proto files or one --descriptor-set.")
    named = dict(references)
    if len(named) < len(references):
        raise click.UsageError("Name each subject in one --reference only.")
    if descriptor_set:
        return Candidate(subject, descriptor_set=_read_bytes(descriptor_set), references=named)
    return Candidate(subject, collect_sources(files, folders), references=named)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path} can't be read: {error.strerror}.") from error

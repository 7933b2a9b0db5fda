"""Finds the .proto files of a schema: those that are named and those that they import. Imports click."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import click

_IMPORT = re.compile(
    r"""(?:^|[;}/])\s*import\s+(?:public\s+|weak\s+|option\s+)?["']([^"']+)["']\s*;""", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a schema, by the names under which they are imported.

    Attributes:
        texts: What they say.
        paths: Where they were found, as the command line has it.
    """

    texts: dict[str, str] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)


def collect_sources(files: tuple[Path, ...], folders: tuple[Path, ...]) -> Sources:
    """Reads the files and what they import, by the names under which they are imported.

    A name is the path below the first of ``folders`` that holds the file; without folders, each file's own
    folder is the root of the names. Imports that are in no folder are left out: the gateway has some, and
    names those that it misses.

    Raises:
        click.UsageError: A file is outside of all folders, or two files would have one name.
        click.ClickException: A file can't be read as text.
    """
    roots = folders or tuple(dict.fromkeys(file.parent for file in files))
    found: dict[str, Path] = {}
    for file in files:
        name = _name_of(file, roots)
        if found.setdefault(name, file) != file:
            raise click.UsageError(
                f"{found[name]} and {file} would both be {name}: name their root with -I DIR."
            )
    return _read_with_imports(found, roots)


def _name_of(file: Path, roots: tuple[Path, ...]) -> str:
    absolute = _absolute(file)
    for root in map(_absolute, roots):
        if absolute.is_relative_to(root):
            return absolute.relative_to(root).as_posix()
    folders = " or ".join(map(str, roots))
    raise click.UsageError(f"{file} is not below {folders}: name the folder above it with -I.")


def _absolute(path: Path) -> Path:
    # Not `resolve`: a link in a folder of links is meant to have its own name.
    return Path(os.path.abspath(path))  # noqa: PTH100


def _read_with_imports(found: dict[str, Path], roots: tuple[Path, ...]) -> Sources:
    sources = Sources()
    waiting = dict(found)
    while waiting:
        name, path = waiting.popitem()
        sources.texts[name], sources.paths[name] = _read(path), path
        for imported in _IMPORT.findall(sources.texts[name]):
            file = _locate(imported, roots)
            if imported not in sources.texts and file is not None:
                waiting[imported] = file
    return sources


def _locate(name: str, roots: tuple[Path, ...]) -> Path | None:
    # What a .proto names is sent to the gateway: it must not reach outside of the folders.
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return None
    return next((root / name for root in roots if (root / name).is_file()), None)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise click.ClickException(
            f"{path} is no text in UTF-8 ({error.reason} at byte {error.start}). "
            f"If it is a descriptor set, pass it with --descriptor-set."
        ) from error
    except OSError as error:
        raise click.ClickException(f"{path} can't be read: {error.strerror}.") from error

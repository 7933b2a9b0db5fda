"""The canonical Protobuf text of a schema: what its descriptors say, whoever wrote it and however.

Pure. protoc makes the same descriptors of the text again. What descriptors can hold but the language
can't say, in sets that no protoc wrote, stands in the text as a comment that begins with
``Not in the Protobuf language``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from registry.printing.comments import Comments, comments_of
from registry.printing.declarations import import_kind, syntax_line
from registry.printing.elements import Elements
from registry.printing.literals import quoted
from registry.printing.names import Symbols
from registry.printing.reading import read_files
from registry.printing.statements import Statements
from registry.printing.text import Allowance, Lines

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_CHARACTERS = 32 * 1024 * 1024
"""How long the text of one schema may be: small descriptors can hold what takes much to say."""


def print_files(
    descriptor_set: bytes,
    own_files: Collection[str],
    source_info: bytes = b"",
    *,
    maximum: int = MAX_CHARACTERS,
) -> dict[str, str]:
    """Answers the text of a schema's own files by name.

    Args:
        descriptor_set: A serialized canonical ``FileDescriptorSet``, imports included.
        own_files: Names of the files to print.
        source_info: A serialized ``FileDescriptorSet`` with the ``source_code_info`` of the files, whose
            comments are printed, the first 100,000 lines of them; empty for a text without comments.
        maximum: Characters of all texts together.

    Raises:
        LimitExceeded: The texts would be longer.
    """
    files = read_files(descriptor_set)
    symbols = Symbols(files)
    comments = comments_of(source_info)
    allowance = Allowance(maximum)
    texts = {}
    for file in files:
        if file.name in own_files:
            found = comments.get(file.name) or Comments()
            texts[file.name] = _text(file, symbols, found, Lines(allowance))
    return texts


def _text(file: Any, symbols: Symbols, comments: Comments, lines: Lines) -> str:
    statements = Statements(symbols.of(file.name), comments, lines)
    _head(file, statements)
    Elements(file, statements).file(file)
    return str(lines)


def _head(file: Any, statements: Statements) -> None:
    path = (14,) if file.syntax == "editions" else (12,)
    statements.statement(syntax_line(file).removesuffix(";"), comment=statements.comments.at(path))
    statements.lines.blank()
    if file.package:
        statements.statement(f"package {file.package}", comment=statements.comments.at((2,)))
        statements.lines.blank()
    for index, name in enumerate(file.dependency):
        statements.statement(
            f"import {import_kind(file, index)}{quoted(name)}", comment=statements.comments.at((3, index))
        )
    statements.lines.blank()

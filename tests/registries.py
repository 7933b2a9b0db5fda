"""Registries over a file, and small schemas for them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from registry.compiling.compiler import compile_sources
from registry.errors import InvalidSchema
from registry.registry import Registry
from registry.schema import Candidate, SchemaReference
from registry.sqlite_store import SqliteSchemaStore
from registry.uses import NoUses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from registry.compiling.compiler import Compiled, Referenced
    from registry.schema import SchemaLimits
    from registry.uses import SchemaUses


_compiled: dict[object, Compiled | InvalidSchema] = {}


def compile_once(sources: dict[str, str], limits: SchemaLimits, referenced: Referenced) -> Compiled:
    """Compiles as ``compile_sources`` does, but each schema once: that is what most of the time goes to."""
    key = (tuple(sorted(sources.items())), limits, referenced)
    if key not in _compiled:
        try:
            _compiled[key] = compile_sources(sources, limits, referenced)
        except InvalidSchema as error:
            _compiled[key] = error
    found = _compiled[key]
    if isinstance(found, InvalidSchema):
        raise InvalidSchema(found.violations)
    return found


@asynccontextmanager
async def opened(path: Path, uses: SchemaUses | None = None) -> AsyncIterator[Registry]:
    """A registry over the file at ``path``, for those who need it: nobody, if not said otherwise."""
    store = await SqliteSchemaStore.open(path)
    registry = Registry(store, uses=uses or NoUses())
    await registry.open()
    yield registry
    await store.close()


def order(*fields: str, package: str = "shop.v1", more: str = "") -> Candidate:
    """A schema with a message Order of these fields, numbered from 1 on."""
    body = " ".join(f"{field} = {number};" for number, field in enumerate(fields, 1))
    return message("order.proto", f"message Order {{ {body} }} {more}", package)


def message(name: str, text: str, package: str, *imports: str) -> Candidate:
    """A schema of one file."""
    lines = "".join(f'import "{it}";\n' for it in imports)
    return Candidate({name: f'syntax = "proto3"; package {package};\n{lines}{text}\n'})


def referring(candidate: Candidate, *references: tuple[str, int]) -> Candidate:
    """The same schema with references."""
    return replace(candidate, references=tuple(SchemaReference(*it) for it in references))

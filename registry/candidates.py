"""From a candidate, as somebody sends it, to what it compiles to together with its references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from registry.compat.finding import Side
from registry.compiling.admission import check_limit
from registry.compiling.compiler import Referenced, compile_descriptor_set, compile_sources
from registry.errors import InvalidRequest, InvalidSchema, Violation
from registry.schema import SchemaReference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from registry.compiling.compiler import Compiled
    from registry.lineages import Lineages
    from registry.schema import Candidate, SchemaLimits, SchemaVersion
    from registry.threads import Threads

CANDIDATE = "the new schema"
"""How findings call a candidate."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A candidate that compiles.

    Attributes:
        compiled: What it compiles to.
        references: The versions that it was sent with, each with its number, sorted.
        sources: Its own files as they were sent; None if a descriptor set was.
    """

    compiled: Compiled
    references: tuple[SchemaReference, ...]
    sources: Mapping[str, str] | None

    def side(self) -> Side:
        """Answers it as one side of a comparison."""
        compiled = self.compiled
        own = frozenset(compiled.own_files)
        return Side(CANDIDATE, compiled.descriptor_set, own, self.sources, compiled.source_info)


class Candidates:
    """Compiles candidates, with the files of the subjects that they refer to."""

    def __init__(self, lineages: Lineages, limits: SchemaLimits, threads: Threads) -> None:
        self._lineages = lineages
        self._limits = limits
        self._threads = threads

    async def prepare(self, subject: str, candidate: Candidate) -> Prepared:
        """Compiles a candidate for a subject.

        Raises:
            InvalidRequest: Not exactly one form of schema is given, or it refers to its own subject.
            InvalidSchema: It does not compile, or is over a limit, or has a bad rule.
            SubjectNotFound, SchemaVersionNotFound: It refers to what is not there.
            LimitExceeded: What it refers to is too much.
        """
        if (candidate.sources is None) == (candidate.descriptor_set is None):
            raise InvalidRequest("schema", "exactly one of `sources` and `descriptor_set` is required")
        if candidate.sources is not None:
            check_limit("max_files", len(candidate.sources), self._limits.max_files, "files")
        references = await self.resolve(candidate.references)
        referenced = await self._referenced(subject, references)
        compiled = await self._compile(candidate, referenced)
        return Prepared(compiled, references, _own_sources(candidate, compiled))

    async def resolve(self, references: Sequence[SchemaReference]) -> tuple[SchemaReference, ...]:
        """Answers the references with the numbers of the versions that they mean, sorted.

        Raises:
            SubjectNotFound, SchemaVersionNotFound: There is none, or it was deleted.
        """
        named = sorted(set(references))
        versions = [await self._lineages.get_live(it.subject, it.version) for it in named]
        return tuple(sorted({SchemaReference(it.subject, it.version) for it in versions}))

    async def _referenced(self, subject: str, references: Sequence[SchemaReference]) -> Referenced:
        if not references:
            return Referenced()
        closure = await self._lineages.closure(references)
        for schema in closure:
            if schema.subject == subject:
                raise InvalidRequest("references", f"lead back to subject {subject!r} itself")
        return await self._threads.compile(gather, closure)

    async def _compile(self, candidate: Candidate, referenced: Referenced) -> Compiled:
        if candidate.sources is not None:
            return await self._threads.compile(
                compile_sources, dict(candidate.sources), self._limits, referenced
            )
        return await self._threads.compile(
            compile_descriptor_set, candidate.descriptor_set, self._limits, referenced
        )


def _own_sources(candidate: Candidate, compiled: Compiled) -> Mapping[str, str] | None:
    """Answers the sources without those that gave way to supplied or referenced files."""
    if candidate.sources is None:
        return None
    return {name: candidate.sources[name] for name in compiled.own_files}


def gather(versions: Sequence[SchemaVersion]) -> Referenced:
    """Answers the own files of versions, to be imported by others.

    Raises:
        InvalidSchema: Two of them have different files of one name.
    """
    gathered = FileDescriptorSet()
    found: dict[str, tuple[bytes, str]] = {}
    for schema in versions:
        origin = f"version {schema.version} of subject {schema.subject!r}"
        for file in FileDescriptorSet.FromString(schema.descriptor_set).file:
            if file.name not in schema.own_files:
                continue
            data = file.SerializePartialToString(deterministic=True)
            first, other = found.setdefault(file.name, (data, origin))
            if first != data:
                raise InvalidSchema([_clash(file.name, other, origin)])
            if other == origin:
                gathered.file.append(file)
    return Referenced(frozenset(found), gathered.SerializePartialToString())


def _clash(name: str, first: str, second: str) -> Violation:
    return Violation(
        name, f"is another file in {first} than in {second}, and both are referred to; refer to one of them"
    )

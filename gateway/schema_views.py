"""What is computed from stored schemas when somebody asks: canonical text, typed streams, differences.

It all runs on one thread of its own, so that neither the event loop nor publishing waits for it.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from tidegate.v1 import schema_diff_pb2, schema_pb2
from tidegate.v1 import schema_service_pb2 as pb

from gateway.paging import fill_page
from gateway.schema_messages import enum_value, finding_messages, summary_message
from gateway.typed_view import typed_service_names, typed_view
from registry.compat.engine import compare, explain, judge
from registry.diff import diff
from registry.errors import InvalidRequest
from registry.printer import print_files
from registry.report import FINDINGS_EXPLAINED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from registry.compat.finding import Finding
    from registry.compat.promise import Promise
    from registry.diff import Difference
    from registry.registry import Registry
    from registry.schema import SchemaVersion

MAX_DIFFERENCES = 5_000
DIFFERENCES_BYTES = 2 * 1024 * 1024
FINDINGS_BYTES = 768 * 1024
"""How large the parts of a difference become: in all, with 1 MiB of text, default clients take them."""
_T = TypeVar("_T")


class SchemaViews:
    """Computes what GetSchema and DiffSchemas answer besides what is stored."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._thread = ThreadPoolExecutor(1, "tidegate-view")

    async def view(self, schema: SchemaVersion, view: int, types: Collection[str]) -> pb.GetSchemaResponse:
        """Answers what a view has besides the version, which the answer lacks.

        Raises:
            InvalidRequest: There is no such view.
            EventTypeNotFound, LimitExceeded: The typed view has no such types, or too many.
        """
        if view not in pb.SchemaView.values():
            raise InvalidRequest("view", f"{view} is no value of SchemaView")
        closure = await self._registry.closure(schema) if schema.references else []
        if view == pb.SCHEMA_VIEW_CANONICAL:
            return await self._run(_canonical_view, schema, closure)
        if view == pb.SCHEMA_VIEW_TYPED:
            return await self._run(_typed_view, schema, closure, types)
        return pb.GetSchemaResponse(closure=map(summary_message, closure))

    async def diff(self, old: SchemaVersion, new: SchemaVersion, promise: Promise) -> pb.DiffSchemasResponse:
        """Answers the difference of two versions, and what it means for readers."""
        return await self._run(_diff, old, new, promise)

    async def _run(self, function: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def _canonical_view(schema: SchemaVersion, closure: Sequence[SchemaVersion]) -> pb.GetSchemaResponse:
    canonical = schema_pb2.ProtoSources(files=_canonical(schema))
    return pb.GetSchemaResponse(canonical=canonical, closure=map(_with_sources, closure))


def _typed_view(
    schema: SchemaVersion, closure: Sequence[SchemaVersion], types: Collection[str]
) -> pb.GetSchemaResponse:
    own: dict[str, str] = {}
    for each in (*closure, schema):
        own |= _sources(each)
    return pb.GetSchemaResponse(
        typed=schema_pb2.ProtoSources(files=typed_view(schema, own, types)),
        typed_services=typed_service_names(schema, types),
        closure=map(_with_sources, closure),
    )


def _with_sources(schema: SchemaVersion) -> schema_pb2.SchemaVersion:
    answer = summary_message(schema)
    answer.sources.files.update(_sources(schema))
    return answer


def _sources(schema: SchemaVersion) -> Mapping[str, str]:
    """Answers a version's own files as they were registered; as canonical text, if it was as descriptors."""
    if schema.sources is None:
        return _canonical(schema)
    return {name: text for name, text in schema.sources.items() if name in schema.own_files}


def _canonical(schema: SchemaVersion) -> dict[str, str]:
    return print_files(schema.descriptor_set, schema.own_files, schema.source_info)


def _diff(old: SchemaVersion, new: SchemaVersion, promise: Promise) -> pb.DiffSchemasResponse:
    found = diff(old.side(), new.side())
    return pb.DiffSchemasResponse(
        old_version=old.version,
        new_version=new.version,
        differences=fill_page(
            map(_difference_message, found.differences), MAX_DIFFERENCES, DIFFERENCES_BYTES
        ),
        difference_count=found.count,
        text=found.text,
        findings=finding_messages(_findings(old, new, promise), promise, FINDINGS_BYTES),
    )


def _findings(old: SchemaVersion, new: SchemaVersion, promise: Promise) -> list[Finding]:
    judged = judge(compare(old.side(), new.side()), promise)[:FINDINGS_EXPLAINED]
    explained = explain([finding for finding, _ in judged], old.side(), new.side())
    return [replace(finding, against_version=old.version) for finding in explained]


def _difference_message(difference: Difference) -> schema_diff_pb2.SchemaDifference:
    return schema_diff_pb2.SchemaDifference(
        kind=enum_value(schema_diff_pb2.SchemaDifferenceKind, difference.kind.name),
        element=difference.element,
        path=difference.path,
        old=difference.old,
        new=difference.new,
    )

"""What requests of sieves mean for the topics and schemas that there are.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.errors import InvalidFilter
from gateway.filter import Condition
from gateway.mask import FIELD, check_path, read_mask
from gateway.projection import Wish
from gateway.selection import Selection, is_topic_name, is_topic_pattern
from registry.errors import EventTypeNotFound, InvalidRequest, SchemaVersionNotFound, SubjectNotFound
from registry.filters.expression import BadFilter
from registry.names import shown
from registry.uses import LiveFilter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.protobuf.descriptor import Descriptor

    from gateway.sieve_request import SieveRequest
    from gateway.topics import Topic, Topics
    from registry.decoding import Decoding

MAX_TYPE_FILTERS: Final = 100
_SUBJECTS: Final = 20
"""Of how many subjects the types are looked up that a mask may be for."""


class Understood(NamedTuple):
    """What a request means.

    Attributes:
        by_type: The filters of event types.
        others: The filter of all other types; None if they pass.
        live: The filters that a schema change can break, each with the subject whose data it reads.
        wish: How data is to be delivered.
    """

    by_type: Mapping[str, Condition]
    others: Condition | None
    live: Sequence[tuple[str, LiveFilter]]
    wish: Wish


class SieveTerms:
    """Finds out what requests mean, or what is wrong with them."""

    def __init__(self, topics: Topics, decoding: Decoding) -> None:
        self._topics = topics
        self._decoding = decoding

    async def understand(self, wanted: SieveRequest, group: str, client_name: str) -> Understood | None:
        """Answers what a request means; None if it asks for nothing.

        Raises:
            InvalidFilter, InvalidRequest, TopicNotFound, SchemaVersionNotFound, StorageFailed.
        """
        if wanted.is_empty:
            return None
        _check(wanted)
        conditions = await self._conditions(wanted)
        typed = {it.type: it for it in conditions if it.type}
        live = [
            (await self._decoding.owner(it.type), LiveFilter(group, client_name, it.type, it.text))
            for it in typed.values()
        ]
        others = next((it for it in conditions if not it.type), None) if wanted.filter else None
        by_type = {**typed, **dict(zip(wanted.type_filters, conditions, strict=False))}
        return Understood(by_type, others, live, await self._wish(wanted))

    async def _conditions(self, wanted: SieveRequest) -> list[Condition]:
        if wanted.filter:
            return [await self._condition("filter", wanted.filter, wanted.types)]
        return [
            await self._condition(f"type_filters[{name}]", text, (name,))
            for name, text in wanted.type_filters.items()
        ]

    async def _condition(self, name: str, text: str, types: Sequence[str]) -> Condition:
        """Compiles a filter: without data if it can do without."""
        try:
            await self._decoding.program("", 0, text)
        except BadFilter as error:
            if len(types) != 1:
                raise InvalidFilter(name, str(error)) from None
        else:
            return Condition("", text)
        try:
            latest = await self._decoding.latest_with(types[0])
            await self._decoding.program(types[0], latest.version, text)
        except EventTypeNotFound as error:
            raise InvalidRequest("types", f"{name} can't be checked: {error}") from None
        except BadFilter as error:
            raise InvalidFilter(name, str(error)) from None
        return Condition(types[0], text)

    async def _wish(self, wanted: SieveRequest) -> Wish:
        paths = read_mask(wanted.read_mask)
        if paths:
            await self._check_paths(paths, wanted)
        subject = await self._pinned(wanted) if wanted.schema_version else ""
        return Wish(paths, wanted.as_json, subject, wanted.schema_version)

    async def _pinned(self, wanted: SieveRequest) -> str:
        """Answers the subject whose data is delivered as one version."""
        subjects = {topic.subject for topic in self._topics_of(wanted.topics)}
        if len(subjects) != 1:
            named = ", ".join(sorted(subjects)[:10])
            what = f"the topics are of several: {named}" if subjects else "no topic fits"
            raise InvalidRequest("schema_version", f"is a version of one subject, but {what}")
        (subject,) = subjects
        try:
            await self._decoding.version(subject, wanted.schema_version)
        except SubjectNotFound as error:
            raise SchemaVersionNotFound(subject, wanted.schema_version, 0) from error
        return subject

    async def _check_paths(self, paths: Sequence[str], wanted: SieveRequest) -> None:
        types = await self._named(wanted.types) if wanted.types else await self._accepted(wanted.topics)
        for path in paths:
            check_path(path, types)
            await asyncio.sleep(0)  # there may be thousands of types

    async def _named(self, types: Sequence[str]) -> list[Descriptor]:
        found = []
        for name in types:
            try:
                latest = await self._decoding.latest_with(name)
            except EventTypeNotFound as error:
                raise InvalidRequest(FIELD, f"can't be checked: {error}") from None
            ready = await self._decoding.version(latest.subject, latest.version)
            found.append(ready.pool.FindMessageTypeByName(name))
        return found

    async def _accepted(self, topics: Sequence[str]) -> list[Descriptor]:
        """Answers the event types that topics accept now, as the latest versions have them."""
        of_subject: dict[str, set[str]] = {}
        for topic in self._topics_of(topics):
            of_subject.setdefault(topic.subject, set()).update(topic.types or ("",))
        if len(of_subject) > _SUBJECTS:
            raise InvalidRequest(
                FIELD, f"can't be checked for types of {len(of_subject):,} subjects: name the `types`"
            )
        found = []
        for subject, accepted in of_subject.items():
            ready = await self._decoding.version(subject, self._decoding.latest_version(subject))
            names = ready.types if "" in accepted else ready.types & accepted
            found += [ready.pool.FindMessageTypeByName(name) for name in sorted(names)]
        return found

    def _topics_of(self, topics: Sequence[str]) -> list[Topic]:
        found = {name: self._topics.get(name) for name in filter(is_topic_name, topics)}
        selection = Selection(patterns=tuple(filter(is_topic_pattern, topics)))
        if selection.patterns:
            found |= {it.name: it for it in self._topics.all() if selection.has_topic(it.name)}
        return list(found.values())


def _check(wanted: SieveRequest) -> None:
    if wanted.filter and wanted.type_filters:
        raise InvalidRequest("type_filters", "can't be set together with filter: say it for each type")
    if len(wanted.type_filters) > MAX_TYPE_FILTERS:
        raise InvalidRequest(
            "type_filters",
            f"has {len(wanted.type_filters):,} filters; at most {MAX_TYPE_FILTERS} are allowed",
        )
    for name, text in wanted.type_filters.items():
        if name not in wanted.types:
            raise InvalidRequest(f"type_filters[{shown(name)}]", "is for a type that is none of `types`")
        if not text:
            raise InvalidRequest(
                f"type_filters[{name}]", "is empty: leave it out to get all events of the type"
            )

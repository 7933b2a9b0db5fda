"""All groups of the gateway, at work, over the store that keeps them.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog

from gateway.errors import GroupAlreadyExists, GroupChanged, GroupInUse, GroupNotFound
from gateway.groups.definitions import Asked, require_name, require_same
from gateway.groups.flush import Flush
from gateway.groups.payloads import Budget
from gateway.groups.positions import Start, find_position
from gateway.groups.redriven import Redriven
from gateway.groups.runtime import GroupRuntime
from gateway.groups.sieving import Everything, Unusable
from gateway.groups.store import Kept
from gateway.groups.values import Progress
from gateway.topic_choice import select
from registry.errors import LimitExceeded, TidegateError
from registry.names import close_names, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from gateway.frames import Subscribing
    from gateway.groups.definitions import Definitions
    from gateway.groups.filters import GroupFilters
    from gateway.groups.store import GroupStore
    from gateway.groups.values import Definition, Settled, Settlement
    from gateway.log import Bounds, EventLog, StoredKind
    from gateway.sieves import Sieve

FilterSieve: TypeAlias = "Sieve | Unusable"
"""What a group's filter is."""
MOST_GROUPS: Final = 1_000
"""How many groups there may be: each keeps what it is about in memory."""
ALL_TOPICS: Final = (">",)
"""What a subscription to a typed service reads that names no topics."""

_log = structlog.get_logger("tidegate.groups")


@dataclass(eq=False, slots=True)
class Running:
    """A group at work, and who may change what is dead of it: one at a time."""

    runtime: GroupRuntime
    sieve: FilterSieve | None
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def definition(self) -> Definition:
        """What the group is."""
        return self.runtime.definition

    async def update(self, definition: Definition, sieve: FilterSieve | None) -> None:
        """Goes on as a new definition and its sieve say."""
        old, self.sieve = self.sieve, sieve
        await self.runtime.update(definition, sieve or Everything())
        _close(old)

    async def close(self, *, deleted: bool = False) -> None:
        """Stops the group."""
        await self.runtime.close(deleted=deleted)
        _close(self.sieve)


class Groups:
    """All groups, by name. Changes of what a group is go through the store, one by one."""

    def __init__(
        self, store: GroupStore, log: EventLog, definitions: Definitions, filters: GroupFilters
    ) -> None:
        """Has no groups until ``open``."""
        self._store = store
        self._log = log
        self._definitions = definitions
        self._filters = filters
        self._groups: dict[str, Running] = {}
        self._budget = Budget()
        self._changing = asyncio.Lock()
        self._draining = False
        self.flush = Flush(store)

    async def open(self) -> None:
        """Loads the groups from the store and sets them to work.

        Raises:
            StorageFailed: The store can't be read.
        """
        for kept in await self._store.load():
            self._set_to_work(kept, await self._stored_sieve(kept.definition))

    async def _stored_sieve(self, definition: Definition) -> FilterSieve | None:
        """Answers the sieve of a stored group; what can't be used any more keeps no gateway from starting."""
        try:
            return await self._filters.sieve(definition, "")
        except TidegateError as error:
            _log.warning("a group waits: its filter can't be used", group=definition.name, error=str(error))
            return Unusable(error)

    async def run(self) -> None:
        """Writes down progress until cancelled."""
        await self.flush.run()

    def drain(self) -> None:
        """Ends the streams of all members, each with a ``DrainingFrame``."""
        self._draining = True
        for group in tuple(self._groups.values()):
            group.runtime.drain()

    async def close(self) -> None:
        """Stops all groups and writes down what is not written yet."""
        for group in tuple(self._groups.values()):
            await group.close()
        if not await self.flush.try_now():
            _log.error("what members settled last is lost: those events will be delivered again")

    def all(self) -> list[Definition]:
        """Answers what the groups are, by name."""
        return [self._groups[name].definition for name in sorted(self._groups)]

    def get(self, name: str) -> Running:
        """Answers a group.

        Raises:
            GroupNotFound: There is none of that name; names those that are close.
        """
        group = self._groups.get(name)
        if group is None:
            raise GroupNotFound(shown(name), close_names(name, self._groups))
        return group

    async def create(self, asked: Asked, start: Start) -> Definition:
        """Makes a group.

        Raises:
            InvalidRequest, InvalidFilter, TopicNotFound, SequenceOutOfRange, GroupAlreadyExists,
            LimitExceeded, StorageFailed, StorageFull, StorageReadOnly.
        """
        require_name(asked.name, asked.name_field)
        async with self._changing:
            return (await self._create(asked, start)).definition

    async def update(self, asked: Asked, etag: str, paths: Collection[str]) -> Definition:
        """Changes what the paths name of a group; an empty ``etag`` means: whatever its state.

        Raises:
            InvalidRequest, InvalidFilter, TopicNotFound, GroupNotFound, GroupChanged, LimitExceeded,
            StorageFailed, StorageFull, StorageReadOnly.
        """
        async with self._changing:
            group = self._current(asked.name, etag)
            definition = self._definitions.change(group.definition, asked, paths)
            sieve = await self._filters.sieve(definition, asked.prefix)
            with _closed_on_error(sieve):
                if not await self._store.put(definition, group.definition.etag):
                    raise GroupChanged(asked.name, group.definition.etag)
            await group.update(definition, sieve)
        return definition

    async def delete(self, name: str, etag: str, *, force: bool) -> None:
        """Deletes a group; with ``force`` also one that has members or dead letters.

        Raises:
            GroupNotFound, GroupChanged, GroupInUse, StorageFailed, StorageFull, StorageReadOnly.
        """
        async with self._changing:
            group = self._current(name, etag)
            if not force:
                await self._require_unused(group)
            if not await self._store.delete(name, group.definition.etag):
                raise GroupChanged(name, group.definition.etag)
            del self._groups[name]
            self.flush.forget(group.runtime)
            await group.close(deleted=True)

    async def member(self, wanted: Subscribing) -> GroupRuntime:
        """Answers the group that a subscription names; makes it, if there is none and it says what it is.

        Raises:
            GroupNotFound: There is none, and the subscription says nothing of topics.
            GroupDiffers: The subscription says something else than the group has.
            InvalidRequest, InvalidFilter, TopicNotFound, SequenceOutOfRange, LimitExceeded, StorageFailed,
            StorageFull, StorageReadOnly: As ``create`` has it.
        """
        asked = _asked_by(wanted)
        group = self._groups.get(wanted.group)
        if group is None:
            require_name(asked.name, asked.name_field)
            async with self._changing:
                group = self._groups.get(wanted.group) or await self._make_for(wanted, asked)
        require_same(group.definition, asked)
        return group.runtime

    def settle(
        self, name: str, member_id: str, settlements: Sequence[Settlement], *, leaving: bool = False
    ) -> Settled:
        """Takes what a member says of events, and whether it takes no further ones.

        Raises:
            GroupNotFound, LimitExceeded.
        """
        return self.get(name).runtime.settle(member_id, settlements, leaving=leaving)

    async def letter_kinds(self) -> frozenset[StoredKind]:
        """Answers of which topics, event types and schema versions there are dead letters.

        Raises:
            StorageFailed, StorageFull, StorageReadOnly.
        """
        await self.flush.now()
        return await self._store.letter_kinds()

    async def _make_for(self, wanted: Subscribing, asked: Asked) -> Running:
        """Makes the group that a subscription names."""
        topics = wanted.topics or (ALL_TOPICS if wanted.typed else ())
        if not topics:
            name = wanted.group
            raise GroupNotFound(
                shown(name), close_names(name, self._groups), " A subscription that names topics makes it."
            )
        start = Start(wanted.from_sequence, wanted.from_time, wanted.earliest)
        return await self._create(replace(asked, topics=topics), start)

    async def _create(self, asked: Asked, start: Start) -> Running:
        if asked.name in self._groups:
            raise GroupAlreadyExists(asked.name)
        if len(self._groups) >= MOST_GROUPS:
            raise LimitExceeded("max_groups", MOST_GROUPS, len(self._groups) + 1, "the number of groups")
        definition = self._definitions.make(asked)
        removed = await self._log.bounds(select(definition.topics, definition.types))
        position = await find_position(self._log, select(definition.topics, definition.types), start)
        progress = Progress(position)
        sieve = await self._filters.sieve(definition, asked.prefix)
        with _closed_on_error(sieve):
            if not await self._store.put(definition, "", progress):
                raise GroupAlreadyExists(asked.name)
        return self._set_to_work(Kept(definition, progress), sieve, removed)

    def _set_to_work(self, kept: Kept, sieve: FilterSieve | None, removed: Bounds | None = None) -> Running:
        name = kept.definition.name
        runtime = GroupRuntime(
            kept.definition,
            kept.progress,
            log=self._log,
            budget=self._budget,
            sieve=sieve or Everything(),
            redriven=Redriven(self._store, name, kept.redriven),
            removed=removed,
            dirty=self.flush.mark,
            flush=self.flush.now,
        )
        group = Running(runtime, sieve)
        self._groups[name] = group
        if self._draining:
            group.runtime.drain()
        return group

    async def _require_unused(self, group: Running) -> None:
        await self.flush.now()
        name, members = group.definition.name, group.runtime.member_count
        letters = await self._store.count_letters(name)
        if members or letters:
            raise GroupInUse(name, members, letters)

    def _current(self, name: str, etag: str) -> Running:
        group = self.get(name)
        if etag and etag != group.definition.etag:
            raise GroupChanged(name, group.definition.etag)
        return group


@contextmanager
def _closed_on_error(sieve: FilterSieve | None) -> Iterator[None]:
    """Closes a sieve if the block fails."""
    try:
        yield
    except BaseException:
        _close(sieve)
        raise


def _close(sieve: FilterSieve | None) -> None:
    if sieve is not None:
        sieve.close()


def _asked_by(wanted: Subscribing) -> Asked:
    """Answers what a subscription says of its group."""
    return Asked(
        wanted.group,
        wanted.topics,
        wanted.types,
        wanted.filter,
        wanted.type_filters,
        wanted.group_settings,
        name_field="group",
        prefix="",
        settings_prefix="group_settings.",
    )

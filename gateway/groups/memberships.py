"""The streams of members: subscriptions that name a group. Imports nothing of gRPC or of the stubs."""

from __future__ import annotations

from contextlib import aclosing, closing, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.sieves import Holder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gateway.frames import Frame, Subscribing
    from gateway.groups.groups import Groups
    from gateway.readers import Readers
    from gateway.sieves import Sieve, Sieves
    from gateway.subscriber import Subscriber


class Memberships:
    """Opens the streams of members."""

    def __init__(self, groups: Groups, readers: Readers, subscriber: Subscriber, sieves: Sieves) -> None:
        self._groups = groups
        self._readers = readers
        self._subscriber = subscriber
        self._sieves = sieves

    async def subscribe(self, wanted: Subscribing) -> AsyncGenerator[Frame, None]:
        """Reads as a member of the group that ``wanted`` names; the frames end when draining.

        Raises:
            As ``Groups.member``, ``Sieves.make``, ``Subscriber.guard`` and ``GroupRuntime.frames`` have it.
        """
        runtime = await self._groups.member(wanted)
        reads = replace(wanted, topics=runtime.definition.topics, types=runtime.definition.types)
        readers = await self._subscriber.find_readers(reads)
        projection = await self._projection(reads)
        with closing(projection) if projection else nullcontext(), self._readers.reading(readers):
            guard = self._subscriber.guard(wanted, projection.pinned if projection else {})
            async with aclosing(runtime.frames(wanted, guard, projection)) as frames:
                async for frame in frames:
                    yield frame

    async def _projection(self, reads: Subscribing) -> Sieve | None:
        """Answers in which form a member gets events; which ones its group decides."""
        request = replace(reads.sieve, filter="", type_filters={})
        return await self._sieves.make(request, holder=Holder(client_name=reads.client_name))

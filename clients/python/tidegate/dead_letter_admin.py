"""Dead letters of groups with asyncio: listed, shown, given to the group again, forgotten."""

# ruff: noqa: A002 - `filter` and `type` are the contract's words

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.group_settings import type_name
from tidegate.v1 import dead_letter_pb2, group_service_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from google.protobuf.message import Message

    from tidegate.connection import Connection

    EventType = type[Message] | str


class AsyncDeadLetterAdmin:
    """The part of ``AsyncAdmin`` that is about dead letters.

    Which ones are meant is said alike everywhere: by ``sequences``, by event ``type``, by a CEL ``filter``
    (over ``event.data`` only with ``type``), and by a text that the last ``reason`` contains; all must hold.
    """

    _connection: Connection

    async def list_dead_letters(
        self,
        group: str,
        *,
        sequences: Iterable[int] = (),
        type: EventType = "",
        filter: str = "",
        reason: str = "",
    ) -> AsyncIterator[dead_letter_pb2.DeadLetter]:
        """Yields a group's dead letters by sequence, or those that are meant.

        Raises:
            GroupNotFound, InvalidFilter: As they say.
        """
        request = group_service_pb2.ListDeadLettersRequest(group=group)
        request.selection.CopyFrom(_selection(sequences, type, filter, reason))
        async for page in self._connection.pages(
            "GroupService/ListDeadLetters", request, group_service_pb2.ListDeadLettersResponse
        ):
            for letter in page.dead_letters:
                yield letter

    async def get_dead_letter(self, group: str, sequence: int) -> dead_letter_pb2.DeadLetter:
        """Answers a dead letter with every attempt, and its data decoded as JSON.

        Raises:
            GroupNotFound, DeadLetterNotFound: As they say.
        """
        request = group_service_pb2.GetDeadLetterRequest(group=group, sequence=sequence)
        answer = await self._connection.call(
            "GroupService/GetDeadLetter", request, group_service_pb2.GetDeadLetterResponse
        )
        return answer.dead_letter

    async def redrive_dead_letters(
        self,
        group: str,
        *,
        sequences: Iterable[int] = (),
        type: EventType = "",
        filter: str = "",
        reason: str = "",
        all: bool = False,
        events_per_second: float = 0.0,
        dry_run: bool = False,
    ) -> AsyncIterator[group_service_pb2.RedriveDeadLettersResponse]:
        """Gives dead letters to the group again, as if they had never failed; yields how far it is.

        Must be iterated to the end: leaving it ends the redrive, where it is.

        Args:
            group: The group's name.
            sequences: These alone.
            type: Those of this event type.
            filter: Those that this CEL expression holds of.
            reason: Those whose last reason contains this text.
            all: All of them.
            events_per_second: How many a second at most; 0 means: at once.
            dry_run: Only tell how many it would be.

        Raises:
            GroupNotFound, DeadLetterNotFound, InvalidFilter: As they say.
        """
        request = group_service_pb2.RedriveDeadLettersRequest(
            group=group, all=all, events_per_second=events_per_second, dry_run=dry_run
        )
        if not all:
            request.selection.CopyFrom(_selection(sequences, type, filter, reason))
        async for progress in self._connection.stream(
            "GroupService/RedriveDeadLetters",
            request,
            group_service_pb2.RedriveDeadLettersResponse,
            endless=True,
        ):
            yield progress

    async def purge_dead_letters(
        self,
        group: str,
        *,
        sequences: Iterable[int] = (),
        type: EventType = "",
        filter: str = "",
        reason: str = "",
        all: bool = False,
        dry_run: bool = False,
    ) -> int:
        """Forgets dead letters for good; answers how many. Keys that are parked behind them stay parked.

        Arguments and errors are those of ``redrive_dead_letters``.
        """
        request = group_service_pb2.PurgeDeadLettersRequest(group=group, all=all, dry_run=dry_run)
        if not all:
            request.selection.CopyFrom(_selection(sequences, type, filter, reason))
        answer = await self._connection.call(
            "GroupService/PurgeDeadLetters", request, group_service_pb2.PurgeDeadLettersResponse
        )
        return answer.purged_count


def _selection(
    sequences: Iterable[int], type: EventType, filter: str, reason: str
) -> group_service_pb2.DeadLetterSelection:
    return group_service_pb2.DeadLetterSelection(
        sequences=sequences, type=type_name(type), filter=filter, reason=reason
    )

"""Gives a ledger a clock and a gateway: sends what is said of a group's events, and tells what was too late.

Runs in one event loop; words are taken from any thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from tidegate.connection import Backoff, is_worth_reconnecting
from tidegate.errors import TidegateError
from tidegate.holding import Verb
from tidegate.notices import Late, Listeners
from tidegate.settling import Ledger
from tidegate.v1 import acknowledgement_pb2, event_service_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.connection import Connection
    from tidegate.holding import Hold, Word
    from tidegate.settling import Request, Settling

_log = logging.getLogger("tidegate")

MAX_DELAY = 0.005
"""Seconds that a word waits for others to travel with, if the gateway has not run out of room for events."""
MANY = 1_000
"""With how many words a request does not wait."""
PATIENCE = 10.0
"""Seconds that closing waits for words to be answered."""
_ANSWER_TIMEOUT = 10.0


class Settler:
    """Takes words, and sees to it that the gateway hears them, in order and at least once.

    Attributes:
        ledger: What it knows.
        late_count: How many events were settled too late.
        failure: Why it can send nothing any more; None while it can.
        many: With how many words a request does not wait.
    """

    def __init__(
        self, connection: Connection, group: str, listeners: Listeners, failed: Callable[[], object]
    ) -> None:
        self.ledger = Ledger()
        self.late_count = 0
        self.failure: Exception | None = None
        self.many = MANY
        self._connection = connection
        self._group = group
        self._listeners = listeners
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._mailbox: deque[tuple[Any, ...]] = deque()
        self._is_woken = False
        self._due = asyncio.Event()
        self._progress = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._flush_to = 0
        self._task: asyncio.Task[None] | None = None
        self._backoff = Backoff(most=2.0)
        self._closed = False

    def say(self, word: Word, hold: Hold, index: int) -> None:
        """Takes a word about an event; of several that settle it, the first counts.

        Raises:
            TidegateError: Nothing can be settled any more, since the group is gone or refuses this member.
            RuntimeError: The subscription is closed.
        """
        self._check()
        claimed = hold.claim(index, word)
        if claimed is not None:
            self._put(self.ledger.say, word, *claimed)

    def say_all(self, hold: Hold, indices: Sequence[int]) -> None:
        """Acknowledges those events of a batch that no word settled; raises as ``say``."""
        self._check()
        self._put(self.ledger.say_all, hold, indices)

    def say_through(self, hold: Hold, index: int) -> None:
        """Acknowledges an event and all that were given out before it; raises as ``say``."""
        self._check()
        self._put(self.ledger.say_through, hold, index)

    def extend(self, *, given: bool) -> None:
        """Extends the leases of all that is unread, and with ``given`` of what is in hand."""
        self._collect()
        self.ledger.extend(self._loop.time(), given=given)
        self._schedule()

    def open(self, member_id: str) -> None:
        """Notes that a new stream is open."""
        self._collect()
        self.ledger.open(member_id, self._loop.time())

    async def leave(self) -> None:
        """Has the gateway deliver nothing further, and gives back what is unread."""
        self._collect()
        self.ledger.release_unread(self._loop.time())
        request = event_service_pb2.AcknowledgeRequest(
            group=self._group, member_id=self.ledger.member_id, leaving=True
        )
        try:
            await self._call(request)
        except TidegateError as error:
            # Then the end of the stream says it, with a failed attempt of what is still on its way.
            _log.info("the group was not told that a member leaves: %s", error)
        self._schedule()

    async def flush(self) -> None:
        """Sends what was said before, and answers when the gateway has it.

        Raises:
            TidegateError: It can't be sent any more.
        """
        self._collect()
        self._flush_to = self.ledger.said
        self._schedule()
        while self.ledger.answered < self._flush_to and self.failure is None:
            self._progress.clear()
            await self._progress.wait()
        if self.failure is not None and self.ledger.waiting:
            raise self.failure

    async def close(self) -> None:
        """Sends what was said before, waits a while for the answer, and takes no more."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self.flush()
        except TimeoutError:
            _log.warning(
                "the gateway did not hear what became of %d events: they come again", self.ledger.waiting
            )
        finally:
            self.stop()

    def stop(self) -> None:
        """Sends nothing any more, and takes no words."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self._closed:
            raise RuntimeError("the subscription is closed: what was not settled before is the group's again")

    def _put(self, *what: Any) -> None:
        self._mailbox.append(what)
        if not self._is_woken:
            self._is_woken = True
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._collect()
        self._schedule()

    def _collect(self) -> None:
        """Takes the words that wait into the ledger."""
        self._is_woken = False
        now = self._loop.time()
        while self._mailbox:
            function, *arguments = self._mailbox.popleft()
            function(*arguments, now)

    def _schedule(self) -> None:
        """Decides when the next request leaves."""
        ledger = self.ledger
        if not ledger.waiting or self._closed:
            return
        if self._task is None:
            self._task = self._loop.create_task(self._run(), name="tidegate-settling")
        if ledger.is_starved or ledger.waiting >= self.many or ledger.answered < self._flush_to:
            self._due.set()
        elif self._timer is None:
            self._timer = self._loop.call_later(MAX_DELAY, self._due.set)

    async def _run(self) -> None:
        try:
            while True:
                await self._due.wait()
                self._due.clear()
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
                self._collect()
                await self._send()
                self._schedule()
        except Exception as failure:  # noqa: BLE001 - it is raised where words are said, and by flush
            self.failure = failure
            self._progress.set()
            self._failed()

    async def _send(self) -> None:
        """Sends one request until it is answered.

        Raises:
            TidegateError: It never will be.
        """
        request = self.ledger.next_request()
        if request is None:
            return
        answer = await self._ask(_message(self._group, request))
        late = sorted((span.first, span.last) for span in answer.late)
        lost = self.ledger.answer(late, self._loop.time())
        self._progress.set()
        if lost:
            self.late_count += len(lost)
            self._listeners.tell(Late(tuple(lost)))

    async def _ask(
        self, message: event_service_pb2.AcknowledgeRequest
    ) -> event_service_pb2.AcknowledgeResponse:
        while True:
            try:
                answer = await self._call(message)
            except TidegateError as error:
                if not is_worth_reconnecting(error):
                    raise
                _log.info("settling is interrupted and goes on by itself: %s", error)
                await asyncio.sleep(self._backoff.next_delay())
            else:
                self._backoff.reset()
                return answer

    async def _call(
        self, message: event_service_pb2.AcknowledgeRequest
    ) -> event_service_pb2.AcknowledgeResponse:
        return await self._connection.call(
            "EventService/Acknowledge",
            message,
            event_service_pb2.AcknowledgeResponse,
            patience=_ANSWER_TIMEOUT,
        )


def _message(group: str, request: Request) -> event_service_pb2.AcknowledgeRequest:
    settlements = [_settlement(settling) for settling in request.settlings]
    return event_service_pb2.AcknowledgeRequest(
        group=group, member_id=request.member_id, settlements=settlements
    )


def _settlement(settling: Settling) -> acknowledgement_pb2.Settlement:
    settlement = acknowledgement_pb2.Settlement(lease_epoch=settling.epoch)
    for first, last in settling.spans:
        if first == last:
            settlement.sequences.singles.append(first)
        else:
            settlement.sequences.ranges.add(first=first, last=last)
    word = settling.word
    outcome = getattr(settlement, word.verb.value)
    outcome.SetInParent()
    if word.verb in (Verb.NACK, Verb.REJECT):
        outcome.reason = word.reason
    if word.delay is not None:
        outcome.delay.FromNanoseconds(round(word.delay * 1e9))
    return settlement

"""Decides whole batches by a filter: which of their events pass, and on which it fails.

What must all hold (``a && b && c``) is taken apart, and the cheap parts go first: what only the batch
decides, once; then what needs no data, on events whose data is not decoded; then the rest. Among these,
conditions go a column at a time where they can (``columns``); CEL sees only what is left.

As in CEL, an event on which one part is false does not pass, whatever happens in the others; one on which
none is false and one can't be told is a failure.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.message_factory import GetMessageClass

from registry.checking.envelope import SPLIT
from registry.filters.columns import Columns
from registry.filters.evaluation import Evaluation
from registry.filters.event_message import BATCH_FIELDS, ENVELOPE_FIELDS, envelope_message
from registry.filters.expression import check_filter, fields_of
from registry.rules.cel_syntax import conjuncts

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from registry.filters.columns import Condition
    from registry.filters.event_message import EventMessage
    from registry.filters.expression import Checked

_COLUMN_SLICE: Final = 1024
_CEL_SLICE: Final = 16
"""How many events are decided between two turns of others."""
_CEL_BYTES: Final = 16 * 1024
"""About how many bytes of events CEL decides between two turns: it may walk them a hundred times."""


class Batch(NamedTuple):
    """A batch that is to be decided.

    Attributes:
        topic, type, schema_version, first_sequence: As in ``EventBatch``.
        count: How many events it has; they follow without gaps.
        append_time: Nanoseconds since the epoch.
        data: The bytes of its ``EventBatch``.
    """

    topic: str
    type: str
    schema_version: int
    first_sequence: int
    count: int  # type: ignore[assignment]  # in place of tuple.count, which nobody needs here
    append_time: int
    data: bytes


class Outcome(NamedTuple):
    """What a filter makes of a batch.

    Attributes:
        passed: The indexes of the events that pass; None for all.
        failed: The indexes of those on which it fails.
        reason: Why it fails on the first of these.
    """

    passed: tuple[int, ...] | None
    failed: tuple[int, ...] = ()
    reason: str = ""


class Program:
    """A filter, compiled for events of one kind. Holds no event between two batches."""

    def __init__(self, message: EventMessage, text: str) -> None:
        """Compiles a filter over events whose ``event`` is ``message``.

        Raises:
            BadFilter: It can't be used.
        """
        checked = check_filter(message, text)
        header, bare, full = _sorted(conjuncts(checked.tree.expr))
        self._header = _Header(message, checked, header)
        self._stages = [
            _Stage(kind, checked, parts)
            for kind, parts in ((envelope_message(), bare), (message, full))
            if parts
        ]

    def decide(self, batch: Batch) -> Generator[None, None, Outcome]:
        """Decides a batch, and yields every fraction of a millisecond for others to have a turn."""
        verdict = self._header.decide(batch)
        if verdict is False:
            return Outcome(())
        left: Sequence[int] = range(batch.count)
        failed: dict[int, str] = {}
        for stage in self._stages:
            if left:
                left = yield from stage.decide(batch, left, failed)
        if verdict is not True:
            failed = dict.fromkeys(left, verdict)
        return _outcome(batch, left, failed)


def _sorted(parts: Iterable[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """Answers the parts of a filter that only the batch decides, those that need no data, and the others."""
    sorted_: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for part in parts:
        read = fields_of(part)
        sorted_[0 if read <= BATCH_FIELDS else 1 if read <= ENVELOPE_FIELDS else 2].append(part)
    return sorted_


def _outcome(batch: Batch, left: Sequence[int], failed: dict[int, str]) -> Outcome:
    if not failed:
        return Outcome(None if len(left) == batch.count else tuple(left))
    fails = tuple(index for index in left if index in failed)
    return Outcome(
        tuple(index for index in left if index not in failed), fails, failed[fails[0]] if fails else ""
    )


class _Header:
    """What only the batch decides."""

    def __init__(self, message: EventMessage, checked: Checked, parts: Sequence[Any]) -> None:
        self._event = GetMessageClass(message.descriptor)
        self._fields = frozenset[str]().union(*map(fields_of, parts))
        self._condition = Evaluation(message, checked, parts) if parts else None

    def decide(self, batch: Batch) -> bool | str:
        """Tells whether it holds; or why that can't be told."""
        if self._condition is None:
            return True
        event = self._event()
        source = _SOURCE.FromString(batch.data).source if "source" in self._fields else ""
        _fill([event], [0], self._fields, batch, source)
        return self._condition.verdict(event)


_SOURCE: Final = envelope_message().batch


class _Stage:
    """Parts that are decided on events of one form."""

    def __init__(self, message: EventMessage, checked: Checked, parts: Sequence[Any]) -> None:
        self._message = message
        self._fields = frozenset[str]().union(*map(fields_of, parts))
        columns = Columns(checked.tree, message.descriptor)
        conditions = [columns.condition(part) for part in parts]
        self._conditions: list[Condition] = [it for it in conditions if it is not None]
        rest = [part for part, it in zip(parts, conditions, strict=True) if it is None]
        self._rest = Evaluation(message, checked, rest) if rest else None

    def decide(
        self, batch: Batch, indexes: Sequence[int], failed: dict[int, str]
    ) -> Generator[None, None, Sequence[int]]:
        """Answers those of some events on which nothing is false; adds to ``failed``."""
        parsed = self._message.batch.FromString(_picked(batch, indexes))
        yield
        left: list[int] = []
        size = self._slice(batch)
        for begin in range(0, len(indexes), size):
            events, some = parsed.events[begin : begin + size], indexes[begin : begin + size]
            _fill(events, some, self._fields, batch, parsed.source)
            left += self._decide(events, some, failed)
            yield
        return left

    def _slice(self, batch: Batch) -> int:
        if self._rest is None:
            return _COLUMN_SLICE
        return max(1, min(_CEL_SLICE, _CEL_BYTES * batch.count // len(batch.data)))

    def _decide(self, events: Sequence[Any], indexes: Sequence[int], failed: dict[int, str]) -> Iterable[int]:
        for condition in self._conditions:
            holds = condition(events)
            events, indexes = list(compress(events, holds)), list(compress(indexes, holds))
        if self._rest is None or not indexes:
            return indexes
        verdicts = self._rest.verdicts(events, at_once=not failed)
        failed.update({at: it for at, it in zip(indexes, verdicts, strict=True) if isinstance(it, str)})
        return compress(indexes, verdicts)


def _picked(batch: Batch, indexes: Sequence[int]) -> bytes:
    """Answers a batch with some of the events, as bytes."""
    if len(indexes) == batch.count:
        return batch.data
    split: Any = SPLIT.FromString(batch.data)
    events = split.events
    split.events[:] = [events[index] for index in indexes]
    data: bytes = split.SerializePartialToString()
    return data


def _fill(
    events: Sequence[Any], indexes: Sequence[int], fields: frozenset[str], batch: Batch, source: str
) -> None:
    """Says on events what a filter reads and the stored events don't say themselves."""
    seconds, nanos = divmod(batch.append_time, 1_000_000_000)
    constants = {
        "topic": batch.topic,
        "event_type": batch.type,
        "source": source,
        "schema_version": batch.schema_version,
    }
    wanted = [(name, value) for name, value in constants.items() if name in fields]
    for event, index in zip(events, indexes, strict=True):
        for name, value in wanted:
            setattr(event, name, value)
        if "sequence" in fields:
            event.sequence = batch.first_sequence + index
        if "id" in fields and not event.id:
            event.id = str(batch.first_sequence + index)
        if "time" in fields and not event.HasField("time"):
            event.time.seconds, event.time.nanos = seconds, nanos
        if "append_time" in fields:
            event.append_time.seconds, event.append_time.nanos = seconds, nanos

"""What every engine promises: one suite, run on each of them through ``open_log``."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import (
    Draining,
    KeysNotIndexed,
    RequestIdReused,
    StreamStopped,
    UnexpectedSequence,
)
from gateway.log import Append, Bounds, Chain, EventLog
from gateway.selection import EVERYTHING, Selection
from tests.key_model import STEPS as KEY_STEPS
from tests.key_model import compare as compare_keys
from tests.key_model import keyed
from tests.log_model import (
    ENGINES,
    MEBIBYTE,
    STEPS,
    compare,
    key,
    look,
    names,
    new,
    one,
    opener,
    read_all,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.log_model import OpenLog


@pytest.fixture(params=ENGINES)
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLog:
    """Opens the log, by turns; takes the engine's options."""
    return opener(request.param, tmp_path)


@pytest.fixture
async def log(open_log: OpenLog) -> AsyncIterator[EventLog]:
    """An empty log."""
    async with open_log() as log:
        yield log


async def test_sequences_follow_each_other(log: EventLog) -> None:
    """Sequences rise over all topics, an append's placements name them, and reading finds them so."""
    first = await log.append(Append((new("a", 3), new("b", 2, version=7))))
    second = await log.append(one("a", 1))
    starts = [place.first_sequence for place in (*first, *second)]
    assert starts == sorted(starts)
    assert starts[1] >= starts[0] + 3
    assert starts[2] >= starts[1] + 2
    batches = await read_all(log, EVERYTHING)
    assert [(b.first_sequence, b.count, b.schema_version) for b in batches] == [*first, *second]
    assert [batch.ordinal for batch in batches] == [1, 2, 3]


async def test_appends_take_effect_in_the_order_of_their_calls(log: EventLog) -> None:
    """A thousand appends that nobody waited for in between stand in the order in which they were called."""
    answers = [log.append(one(data=b"%d" % number)) for number in range(1000)]
    placed = [(await answer)[0].first_sequence for answer in answers]
    assert placed == sorted(placed)
    entries = [batch.entry for batch in await read_all(log, EVERYTHING, max_bytes=5000)]
    assert all(b"%d" % number in entry for number, entry in enumerate(entries))


async def test_kinds_are_known_at_once_and_until_the_last_batch_is_trimmed(log: EventLog) -> None:
    """Kinds count appends that nobody waited for, and end with their last batch, across no other topic."""
    answers = [log.append(one("a", kind="T", version=version)) for version in (1, 2, 2)]
    answers.append(log.append(one("b", kind="U", version=1)))
    assert await log.kinds(names("a")) == {("a", "T", 1), ("a", "T", 2)}
    assert await log.kinds(EVERYTHING) == {("a", "T", 1), ("a", "T", 2), ("b", "U", 1)}
    assert await log.kinds(names("a", "b", types=("U",))) == {("b", "U", 1)}
    size = len((await look(log, names("a"), 0)).batches[-1].entry)
    await asyncio.gather(*answers)
    await log.trim("a", keep_bytes=size)
    assert await log.kinds(EVERYTHING) == {("a", "T", 2), ("b", "U", 1)}
    await log.trim("a", keep_bytes=0)
    assert await log.kinds(names("a")) == frozenset()


async def test_a_cancelled_answer_does_not_undo_the_append(log: EventLog) -> None:
    """An append whose answer was cancelled is there, and those behind it too."""
    answer = asyncio.ensure_future(log.append(one(data=b"first")))
    answer.cancel()
    await log.append(one(data=b"second"))
    assert [batch.entry.count(b"first") for batch in await read_all(log, EVERYTHING)] == [1, 0]


async def test_a_read_that_starts_after_the_answer_finds_the_append(log: EventLog) -> None:
    """What was answered is found by the very next read."""
    for _ in range(200):
        (placed,) = await log.append(one())
        page = await look(log, EVERYTHING, placed.first_sequence - 1)
        assert [batch.first_sequence for batch in page.batches] == [placed.first_sequence]


async def test_an_expectation_decides(log: EventLog) -> None:
    """An expectation holds against appends of the same group; nothing of a refused append is there."""
    assert await log.append(Append((new("a", 2),), expected={"a": 0, "b": 0}))
    race = [log.append(Append((new("a"), new("b")), expected={"a": 2})) for _ in range(5)]
    results = await asyncio.gather(*race, return_exceptions=True)
    assert [type(result) for result in results] == [tuple] + [UnexpectedSequence] * 4
    refusal = results[1]
    assert isinstance(refusal, UnexpectedSequence)
    assert (refusal.topic, refusal.expected_last_sequence) == ("a", 2)
    assert refusal.last_sequence == (await log.bounds(names("a"))).topics["a"].last_sequence
    assert len(await read_all(log, EVERYTHING)) == 3


async def test_a_broken_chain_refuses_what_is_behind(log: EventLog) -> None:
    """After a refusal the appends of the same chain are refused, those of others not."""
    chain = Chain()
    answers = [
        log.append(Append((new("a"),), chain=chain)),
        log.append(Append((new("a"),), expected={"a": 99}, chain=chain)),
        log.append(Append((new("a"),), chain=chain)),
        log.append(one("a")),
    ]
    results = await asyncio.gather(*answers, return_exceptions=True)
    assert [type(result) for result in results] == [tuple, UnexpectedSequence, StreamStopped, tuple]
    assert chain.broken


async def test_a_repeated_request_appends_nothing(open_log: OpenLog) -> None:
    """A request with a known id answers the first placements: in flight, later, and after a reopening."""
    append = Append((new("a", 3), new("b", 2, version=4)), key("r1"))
    async with open_log() as log:
        first, joined = await asyncio.gather(log.append(append), log.append(append))
        assert first == joined == await log.append(append) == await log.recall(key("r1"))
        assert await log.recall(key("r2")) is None
    async with open_log() as log:
        assert await log.recall(key("r1")) == first
        assert await log.append(append) == first
        assert len(await read_all(log, EVERYTHING)) == 2


async def test_a_request_id_belongs_to_its_caller_and_content(log: EventLog) -> None:
    """The same id of another caller is another request; with other content it is refused."""
    first = await log.append(Append((new(),), key("r", caller="ann")))
    assert await log.append(Append((new(),), key("r", caller="bob"))) != first
    with pytest.raises(RequestIdReused):
        await log.append(Append((new(),), key("r", b"e" * 16, "ann")))
    with pytest.raises(RequestIdReused):
        await log.recall(key("r", b"e" * 16, "ann"))
    race = [log.append(Append((new(),), key("n", digest * 16))) for digest in (b"1", b"2", b"1")]
    results = await asyncio.gather(*race, return_exceptions=True)
    assert [type(result) for result in results] == [tuple, RequestIdReused, tuple]
    assert results[0] == results[2]


async def test_a_failed_request_is_not_remembered(log: EventLog) -> None:
    """A refused request can be tried again under its id."""
    request = key("again")
    refused = log.append(Append((new("a"),), request, {"a": 5}))
    recalled = asyncio.create_task(log.recall(request))
    with pytest.raises(UnexpectedSequence):
        await refused
    assert await recalled is None
    assert await log.append(Append((new("a"),), request, {"a": 0}))


async def test_recall_joins_a_request_under_way(log: EventLog) -> None:
    """Recalling a request that is being appended waits for its placements, even if its own answer is gone."""
    answer = asyncio.ensure_future(log.append(Append((new(),), key("r"))))
    answer.cancel()
    placed = await log.recall(key("r"))
    assert placed is not None
    assert [batch.first_sequence for batch in await read_all(log, EVERYTHING)] == [placed[0].first_sequence]


async def test_a_reader_at_the_head_is_woken(log: EventLog) -> None:
    """A read at the head answers with the batch that was awaited, and only for its selection."""
    waiting = {
        name: asyncio.create_task(log.read(selection, 0, max_bytes=MEBIBYTE))
        for name, selection in {
            "name": names("a"),
            "pattern": Selection(patterns=("a.>",)),
            "type": names("a", types=("U",)),
            "all": EVERYTHING,
        }.items()
    }
    await asyncio.sleep(0)
    await log.append(one("a"))
    assert {(await waiting[name]).batches[0].topic for name in ("name", "all")} == {"a"}
    await log.append(one("a.b.c"))
    assert (await waiting["pattern"]).batches[0].topic == "a.b.c"
    assert not waiting["type"].done()
    await log.append(one("a", kind="U"))
    page = await waiting["type"]
    assert [batch.type for batch in page.batches] == ["U"]
    assert page.through == page.head


async def test_a_deadline_answers_an_empty_page(log: EventLog) -> None:
    """A read that finds nothing by its deadline answers the head as its position, and not before."""
    await log.append(one("a", 7))
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 0.05
    page = await log.read(names("b"), 7, max_bytes=1, deadline=deadline)
    assert loop.time() >= deadline - 0.001
    assert (page.batches, page.through, page.head, page.ordinal) == ((), 7, 7, 1)


async def test_progress_over_what_is_left_out(log: EventLog) -> None:
    """A reader of a quiet topic gets to the head of a busy log in bounded steps, each of which moves on."""
    for _ in range(10):
        await log.append(Append(tuple(new("busy") for _ in range(1000))))
    assert await read_all(log, names("quiet")) == []


async def test_no_wake_up_is_lost(open_log: OpenLog) -> None:
    """Readers that race with appends, from memory and from the file, get each batch once and in order."""
    appended = 600

    async def follow(log: EventLog, selection: Selection, most: int) -> list[int]:
        found: list[int] = []
        after = 0
        while len(found) < appended:
            page = await log.read(selection, after, max_bytes=most)
            found += [batch.first_sequence for batch in page.batches]
            after = page.through
        return found

    async with open_log(tail_bytes=2000) as log:
        readers = [
            asyncio.create_task(follow(log, selection, most))
            for selection in (names("a"), EVERYTHING, Selection(patterns=("*",)), names("a", types=("T",)))
            for most in (1, 500, MEBIBYTE)
        ]
        placed = [
            (await log.append(one("a", 1 + number % 3)))[0].first_sequence for number in range(appended)
        ]
        async with asyncio.timeout(60):
            assert all(found == placed for found in await asyncio.gather(*readers))


async def test_a_thousand_waiting_readers(log: EventLog) -> None:
    """A thousand readers that wait for one topic are all woken by one append; those of others are not."""
    awaited = [asyncio.create_task(log.read(names("a"), 0, max_bytes=1000)) for _ in range(1000)]
    others = [asyncio.create_task(log.read(names(f"o{n}"), 0, max_bytes=1000)) for n in range(1000)]
    await asyncio.sleep(0)
    await log.append(one("a"))
    assert {page.batches[0].first_sequence for page in await asyncio.gather(*awaited)} == {1}
    assert not any(other.done() for other in others)
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def test_a_page_begins_inside_a_batch(open_log: OpenLog) -> None:
    """A position inside a batch answers the whole batch, from memory and from the file alike."""
    async with open_log() as log:
        await log.append(Append((new("a", 10), new("b", 10), new("a", 10))))
        live = [
            [await look(log, s, after) for after in (0, 4, 9, 10, 14, 25, 29)]
            for s in (names("a"), EVERYTHING)
        ]
    async with open_log() as log:
        again = [
            [await look(log, s, after) for after in (0, 4, 9, 10, 14, 25, 29)]
            for s in (names("a"), EVERYTHING)
        ]
    assert live == again
    assert [len(page.batches) for page in live[0]] == [2, 2, 2, 1, 1, 1, 1]


async def test_times_never_fall(open_log: OpenLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """append_time does not fall when the clock is set back, nor over a reopening."""
    async with open_log() as log:
        await log.append(one())
    monkeypatch.setattr(time, "time_ns", lambda: 1)
    async with open_log() as log:
        await log.append(one())
        first, second = await read_all(log, EVERYTHING)
    assert first.append_time == second.append_time


async def test_positions_in_time(open_log: OpenLog) -> None:
    """A time is found as the position before the first batch that is not older."""
    async with open_log() as log:
        for number in range(40):
            await log.append(one("ab"[number % 2], 5))
        batches = await read_all(log, EVERYTHING)
        times = {batch.append_time for batch in batches}
        for moment in {0, 2**62} | times | {t - 1 for t in times} | {t + 1 for t in times}:
            bounds = await log.bounds(EVERYTHING, moment)
            later = [batch for batch in batches if batch.append_time >= moment]
            assert bounds.position == (later[0].first_sequence - 1 if later else 200)


async def test_sequences_outlive_trimming(open_log: OpenLog) -> None:
    """A log that was trimmed empty goes on behind its last sequence, time and ordinal, also reopened."""
    async with open_log() as log:
        await log.append(Append((new("a", 5), new("a", 5))))
        trimmed = await log.trim("a", keep_bytes=0)
        assert (trimmed.batches, trimmed.through, trimmed.more) == (2, 10, False)
        before = await log.bounds(EVERYTHING)
        assert await log.bounds(names("nowhere")) == Bounds(10, 2, {})
    async with open_log() as log:
        assert await log.bounds(EVERYTHING) == before
        assert before.topics["a"].last_sequence == before.topics["a"].trimmed_through == 10
        with pytest.raises(UnexpectedSequence):
            await log.append(Append((new("a"),), expected={"a": 0}))
        (placed,) = await log.append(Append((new("a"),), expected={"a": 10}))
        assert placed.first_sequence > 10
        (batch,) = await read_all(log, EVERYTHING)
        assert batch.ordinal == 3
        page = await look(log, EVERYTHING, 0)
        assert page.trimmed == 10


async def test_waiting_reads_end_when_the_log_closes(open_log: OpenLog) -> None:
    """Closing ends every wait with Draining, commits what was queued, and refuses what comes after."""
    async with open_log() as log:
        reader = asyncio.create_task(log.read(names("a"), 0, max_bytes=1))
        await asyncio.sleep(0)
        answers = [log.append(one("b")) for _ in range(10)]
        await log.close()
        with pytest.raises(Draining):
            await reader
        assert len(await asyncio.gather(*answers)) == 10
        with pytest.raises(Draining):
            await log.append(one("b"))
        with pytest.raises(Draining):
            await look(log, EVERYTHING, 0)
        with pytest.raises(Draining):
            await log.trim("b", keep_bytes=0)
    async with open_log() as log:
        assert len(await read_all(log, EVERYTHING)) == 10


async def test_an_expectation_of_a_key_decides(log: EventLog) -> None:
    """An expectation of a key holds against appends of the same group, and against nothing of other keys."""
    await log.index_keys(frozenset({"a"}))
    (first,) = await log.append(Append((keyed("a", "k", "other"),), expected_keys={("a", "k"): 0}))
    race = [
        log.append(
            Append(
                (keyed("a", "other", "k"),), expected_keys={("a", "k"): first.first_sequence, ("a", "x"): 0}
            )
        )
        for _ in range(5)
    ]
    results = await asyncio.gather(*race, return_exceptions=True)
    assert [type(result) for result in results] == [tuple] + [UnexpectedSequence] * 4
    refusal = results[1]
    assert isinstance(refusal, UnexpectedSequence)
    assert (refusal.topic, refusal.key, refusal.expected_last_sequence) == ("a", "k", first.first_sequence)
    assert refusal.last_sequence == first.first_sequence + 3
    assert "topic 'a' and key 'k'" in str(refusal)
    assert len(await read_all(log, EVERYTHING)) == 2


async def test_expecting_a_key_needs_an_index(log: EventLog) -> None:
    """An expectation of a key of a topic without an index is refused, whatever the other topics have."""
    await log.index_keys(frozenset({"a"}))
    with pytest.raises(KeysNotIndexed, match="topic 'b' does not index its keys"):
        await log.append(Append((keyed("a", "k"),), expected_keys={("a", "k"): 0, ("b", "k"): 0}))
    assert await read_all(log, EVERYTHING) == []


async def test_removed_events_of_a_key_count_no_more(log: EventLog) -> None:
    """What retention removed of a key counts no more: if all is gone, it is as if there had been none."""
    await log.index_keys(frozenset({"a"}))
    for _ in range(3):
        await log.append(Append((keyed("a", "k"),)))
    await log.trim("a", keep_bytes=0)
    await log.append(Append((keyed("a", "other"),), expected_keys={("a", "k"): 0}))


@pytest.mark.parametrize("engine", ENGINES)
@given(steps=KEY_STEPS)
@settings(deadline=None, max_examples=20)
def test_the_events_of_a_key_are_its_model(engine: str, steps: list[tuple[Any, ...]]) -> None:
    """Whatever is appended, switched, trimmed and reopened, the events of each key are found, in order."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare_keys(opener(engine, Path(folder)), steps))


@pytest.mark.parametrize("engine", ENGINES)
@given(steps=STEPS, tail_bytes=st.sampled_from((0, 500, MEBIBYTE)))
@settings(deadline=None)
def test_a_log_is_its_model(engine: str, steps: list[tuple[Any, ...]], tail_bytes: int) -> None:
    """Whatever is appended, read, trimmed and reopened in whatever order, the log is what the model says."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(opener(engine, Path(folder)), steps, tail_bytes))

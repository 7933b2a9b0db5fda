"""The order of keys in a worker, and what many threads or very many words come to, on the pure core."""

from __future__ import annotations

import itertools
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from hypothesis import given
from hypothesis import strategies as st
from tidegate.deliveries import REASON_BYTES, shorten
from tidegate.holding import ACK, Hold, Lease, Verb, Word, spans_of
from tidegate.key_order import KeyOrder
from tidegate.settling import MOST_EVENTS, MOST_REASONS, Ledger


@given(st.lists(st.sampled_from(["", "a", "b", "c"])), st.data())
def test_one_of_a_key_at_a_time_and_the_first_one_first(keys: list[str], data: st.DataObject) -> None:
    """However they come and end: of a key one item begins at a time, in order; all begin in the end."""
    order: KeyOrder[int] = KeyOrder()
    begun: dict[str, list[int]] = defaultdict(list)
    running: list[tuple[str, int]] = []
    coming = list(enumerate(keys))

    def begin(key: str, item: int) -> None:
        assert not key or key not in [other for other, _ in running]
        running.append((key, item))
        begun[key].append(item)

    while coming or running:
        if coming and (not running or data.draw(st.booleans())):
            item, key = coming.pop(0)
            if order.add(key, item):
                begin(key, item)
        else:
            key, _ = running.pop(data.draw(st.integers(0, len(running) - 1)))
            following = order.done(key)
            if following is not None:
                begin(key, following)
    assert order.waiting == 0
    assert begun == {key: [i for i, k in enumerate(keys) if k == key] for key in set(keys)}


def test_of_many_threads_one_settles_an_event() -> None:
    """Threads that settle the same events at once: each event is settled by exactly one of them."""
    hold = Hold(Lease("m", 1, 1), range(2_000), 1)
    hold.give_all()
    together = Barrier(4)

    def settle(_thread: int) -> int:
        together.wait()
        return sum(hold.claim(index, ACK) is not None for index in range(2_000))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(settle, range(4))) == 2_000
    assert hold.is_done


def test_requests_are_bounded_and_coalesced() -> None:
    """Very many words leave in requests that the gateway takes, those that are alike as ranges, in order."""
    ledger = Ledger()
    ledger.open("m", 0.0)
    count = 3 * MOST_EVENTS
    hold = ledger.take(1, 1, range(1, count + 1), 0.0)
    hold.give_all()
    long = Word(Verb.NACK, "x" * REASON_BYTES)
    for index in range(count):
        word = long._replace(delay=float(index)) if index >= count - 300 else ACK
        claimed = hold.claim(index, word)
        assert claimed
        ledger.say(word, *claimed, 0.0)
    heard = []
    while (request := ledger.next_request()) is not None:
        assert ledger.next_request() is request
        named = [
            s for each in request.settlings for first, last in each.spans for s in range(first, last + 1)
        ]
        assert len(named) <= MOST_EVENTS
        assert sum(len(each.word.reason) for each in request.settlings) <= MOST_REASONS
        assert sum(len(each.spans) for each in request.settlings) <= 301
        heard += named
        ledger.answer([], 0.0)
    assert heard == list(range(1, count + 1))
    assert (ledger.waiting, ledger.is_starved) == (0, True)


@given(st.sets(st.integers(1, 60)))
def test_spans_are_what_they_hold(sequences: set[int]) -> None:
    """Sequences joined to spans are the same sequences, in as few spans as can be."""
    spans = list(spans_of(sorted(sequences)))
    assert {s for first, last in spans for s in range(first, last + 1)} == sequences
    assert all(last + 1 < first for (_, last), (first, _) in itertools.pairwise(spans))


@given(st.text(), st.integers(0, 3_000), st.booleans())
def test_reasons_are_kept_as_far_as_they_may_be(text: str, times: int, keep_end: bool) -> None:  # noqa: FBT001
    """A reason is valid text of at most 4,096 bytes, its beginning or its end; a short one is whole."""
    reason = (text * times)[: 3 * REASON_BYTES].encode(errors="replace").decode()
    kept = shorten(reason, keep_end=keep_end)
    assert len(kept.encode()) <= REASON_BYTES
    assert reason.endswith(kept) if keep_end else reason.startswith(kept)
    assert kept == reason or len(kept.encode()) > REASON_BYTES - 4

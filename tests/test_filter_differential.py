"""Filters over batches say what CEL says of each event by itself."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegate.v1 import event_pb2

from tests.filter_trials import (
    NEW,
    OLD,
    batch_of,
    conditions,
    data_class,
    decide,
    decide_one_by_one,
    events,
    program,
)


@pytest.mark.parametrize("type_name", [NEW, OLD])
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_filter_says_of_a_batch_what_cel_says_of_each_event(type_name: str, data: st.DataObject) -> None:
    """Whatever the expression and the events: the same pass, and it fails on the same."""
    text = data.draw(conditions(type_name))
    drawn: list[event_pb2.Event] = data.draw(st.lists(events(type_name), min_size=1, max_size=6))
    batch = batch_of(type_name, drawn, data.draw(st.sampled_from(["", "a"])))
    assert decide(program(type_name, text), batch) == decide_one_by_one(type_name, text, batch)


HAS_TAG = "event.data.tags.exists(t, t == 'a')"
CHEAP = {
    "the topic": (f"{HAS_TAG} && event.topic == 't.two'", []),
    "the type and the source": (f"{HAS_TAG} && (event.event_type == 'x' || event.source != '')", []),
    "the key": (f"{HAS_TAG} && event.key == 'a'", [0, 2]),
    "the key and what CEL makes of the envelope": (f"{HAS_TAG} && event.key.matches('^[ab]$')", [0, 2]),
    "no data at all": ("event.attributes.b == '' || event.key != ''", [0, 1, 2, 3]),
}
"""Expressions, and the events that pass: those of another key than a have data that can't be decoded."""


@pytest.mark.parametrize("case", CHEAP)
def test_what_cheap_parts_leave_out_is_not_decoded(case: str) -> None:
    """What topic, type, source and key decide is decided without decoding, however late it is written."""
    text, passed = CHEAP[case]
    good, broken = data_class(NEW)(tags=["a"]).SerializeToString(), b"\xff"
    keyed = (("a", good), ("c", broken), ("a", good), ("d", broken))
    batch = batch_of(NEW, [event_pb2.Event(key=key, data=data) for key, data in keyed])
    assert decide(program(NEW, text), batch) == (passed, [])
    with pytest.raises(DecodeError):  # as it would be if it were tried
        decide(program(NEW, HAS_TAG), batch)


NO_UTF_8 = {
    "event.data.text == 'a'": [1],
    "event.data.text != 'a'": [0],
    "event.data.text.startsWith('a')": [1],
    "event.data.text in ['a', 'b']": [1],
    "event.data.text == event.data.code": [],
    "event.data.text.matches('^a')": [1],
    "event.data.lines.exists(l, l == 'a')": [],
    "'a' in event.data.words": [],
}
"""Expressions over proto2's texts, and which of two events pass: the first has texts of any bytes."""


@pytest.mark.parametrize("text", NO_UTF_8)
def test_texts_that_are_no_utf_8_are_no_failure(text: str) -> None:
    """What proto2 lets into a text is another text, and ends no stream."""
    hostile = b"\x0a\x01c\x22\x01\xff\x4a\x01\xff\x3a\x06\x0a\x01\xff\x12\x01\xfe"
    data = (hostile, b"\x0a\x01c\x22\x01a")
    batch = batch_of(OLD, [event_pb2.Event(data=each) for each in data])
    assert decide(program(OLD, text), batch) == (NO_UTF_8[text], [])

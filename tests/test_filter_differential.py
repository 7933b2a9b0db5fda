"""Filters over batches say what CEL says of each event by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.filter_trials import (
    NEW,
    OLD,
    batch_of,
    conditions,
    decide,
    decide_one_by_one,
    events,
    program,
)

if TYPE_CHECKING:
    from tidegate.v1 import event_pb2


@pytest.mark.parametrize("type_name", [NEW, OLD])
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_filter_says_of_a_batch_what_cel_says_of_each_event(type_name: str, data: st.DataObject) -> None:
    """Whatever the expression and the events: the same pass, and it fails on the same."""
    text = data.draw(conditions(type_name))
    drawn: list[event_pb2.Event] = data.draw(st.lists(events(type_name), min_size=1, max_size=6))
    batch = batch_of(type_name, drawn, data.draw(st.sampled_from(["", "a"])))
    assert decide(program(type_name, text), batch) == decide_one_by_one(type_name, text, batch)

"""Filters that can't be used are refused when somebody subscribes, quickly, with the reason and its place."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from tidegate.v1 import event_service_pb2 as pb

from registry.filters.event_message import ENVELOPE_FIELDS, envelope_message, typed_message
from registry.filters.expression import BadFilter, check_filter
from tests.filter_trials import NEW, pool
from tests.shop import ORDERS, PAID, PLACED, SCHEMA_2

if TYPE_CHECKING:
    from tests.shop import Shop

ONE = {"types": [PLACED]}
REFUSED: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "an unknown field of the data": (
        {**ONE, "filter": "event.data.amount > 3"},
        "INVALID_FILTER",
        "filter",
        f"column 11: undefined field 'amount' not found in struct '{PLACED}'",
    ),
    "an unknown field of the event": (
        {"filter": "event.kye == 'a'"},
        "INVALID_FILTER",
        "filter",
        "column 6: undefined field 'kye' not found in struct 'event'",
    ),
    "a type error in a later line": (
        {**ONE, "filter": "event.key != '' &&\n  event.data.amount_cents == 'a'"},
        "INVALID_FILTER",
        "filter",
        "line 2, column 27: found no matching overload",
    ),
    "a syntax error": ({"filter": "event.key =="}, "INVALID_FILTER", "filter", "column 13: Syntax error"),
    "no condition": (
        {**ONE, "filter": "event.data.amount_cents"},
        "INVALID_FILTER",
        "filter",
        "must be a bool",
    ),
    "a value of unknown type": ({"filter": "dyn(event.key)"}, "INVALID_FILTER", "filter", "compare it"),
    "another variable": ({"filter": "this.key == ''"}, "INVALID_FILTER", "filter", "undeclared reference"),
    "the event as a whole": ({"filter": "event == event"}, "INVALID_FILTER", "filter", "as a whole"),
    "the event inside of dyn": (
        {"filter": "dyn(event).data.x > 1"},
        "INVALID_FILTER",
        "filter",
        "as a whole",
    ),
    "another event": (
        {"filter": "[1].exists(event, event == 1)"},
        "INVALID_FILTER",
        "filter",
        "variable of its own",
    ),
    "data without a type": (
        {"filter": "event.data.amount_cents > 1"},
        "INVALID_FILTER",
        "filter",
        "exactly one type",
    ),
    "data of two types": (
        {"types": [PLACED, PAID], "filter": "event.data.amount_cents > 1"},
        "INVALID_FILTER",
        "filter",
        "`type_filters`",
    ),
    "a type that nobody has": (
        {"types": ["shop.v1.Nothing"], "filter": "event.data.x > 1"},
        "INVALID_REQUEST",
        "types",
        "shop.v1.Nothing",
    ),
    "too long": ({"filter": f"event.key != '{'a' * 2048}'"}, "INVALID_FILTER", "filter", "at most 2,048"),
    "a filter by type that is wrong": (
        {"types": [PLACED, PAID], "type_filters": {PAID: "event.data.note == ''"}},
        "INVALID_FILTER",
        f"type_filters[{PAID}]",
        "column 11: undefined field 'note'",
    ),
    "a filter of a type that is not asked for": (
        {"types": [PLACED], "type_filters": {PAID: "true"}},
        "INVALID_REQUEST",
        f"type_filters[{PAID}]",
        "none of `types`",
    ),
    "an empty filter by type": (
        {"types": [PAID], "type_filters": {PAID: ""}},
        "INVALID_REQUEST",
        f"type_filters[{PAID}]",
        "leave it out",
    ),
    "both forms": (
        {"types": [PAID], "filter": "true", "type_filters": {PAID: "true"}},
        "INVALID_REQUEST",
        "type_filters",
        "together with filter",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_bad_filter_is_refused_with_its_place(shop: Shop, case: str) -> None:
    """The stream ends at once with INVALID_ARGUMENT; the field is named, and the words say the column."""
    fields, reason, field, words = REFUSED[case]
    found = await shop.subscribe(ORDERS, **fields).refused()
    assert (found.code, found.reason, found.fields) == ("INVALID_ARGUMENT", reason, [field])
    assert words in found.descriptions[0]
    assert "tidegate.filter" not in found.message


async def test_a_filter_may_read_what_the_latest_version_has(shop: Shop) -> None:
    """A filter is checked against the latest version that has the type: what is new there may be read."""
    fields = {**ONE, "filter": "event.data.note == ''", "start_position": pb.START_POSITION_EARLIEST}
    assert (await shop.subscribe(ORDERS, **fields).refused()).reason == "INVALID_FILTER"
    await shop.register(SCHEMA_2)
    subscription = shop.subscribe(ORDERS, **fields)
    await subscription.until("caught_up")
    subscription.call.cancel()


HOSTILE = {
    "a tower of maps": "['z'].map(x, x + x)" + ".map(x, x + x)" * 24 + " == []",
    "a tower of texts": "['zzzzzzzz']" + ".map(x, x + x)" * 3 + ".exists(x, x == event.key)",
    "a quadratic comparison": "event.data.tags.exists(a, event.data.tags.exists(b, a == b))",
    "a search for what the event says": "event.data.tags.exists(a, a.contains(event.data.s))",
    "a regular expression with many places": "event.key.matches('(a{1,100}){1,100}b')",
    "a regular expression from the event": "'a'.matches(event.key)",
    "a regular expression as a function": "matches(event.key, event.data.s)",
    "a copy at each step": "event.data.tags.map(x, x).map(x, x) == []",
    "many walks": " || ".join(["event.data.tags.exists(t, t == 'a')"] * 40),
    "brackets": "(" * 900 + "true" + ")" * 900,
    "lists": "[" * 900 + "]" * 900 + " == []",
    "fields": "event.data.inner" + ".next" * 300 + ".name == ''",
    "garbage": "@" * 2048,
    "macros": "event.data.tags.all(a, " * 40 + "true" + ")" * 40,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_filter_is_refused_quickly(case: str) -> None:
    """What could take more than time and memory linear in an event is refused, at once, in short words."""
    message = typed_message(pool(), NEW, 3)
    began = time.perf_counter()
    with pytest.raises(BadFilter) as caught:
        check_filter(message, HOSTILE[case])
    assert time.perf_counter() - began < 0.5
    assert 0 < len(str(caught.value)) < 700
    assert "\n" not in str(caught.value)


def test_what_a_hostile_filter_is_told_fits_its_variable() -> None:
    """The advice names the event, not what rules call it."""
    with pytest.raises(BadFilter, match=r"size\(event\.data\.name\) <= 20"):
        check_filter(typed_message(pool(), NEW, 3), HOSTILE["a quadratic comparison"])


def test_a_filter_that_limits_first_is_taken() -> None:
    """What the advice says helps."""
    check_filter(
        typed_message(pool(), NEW, 3),
        "size(event.data.s) <= 20 && event.data.tags.exists(a, a.contains(event.data.s))",
    )


def test_an_envelope_has_no_data() -> None:
    """Where no type is known, everything but the data can be read."""
    names = {field.name for field in envelope_message().descriptor.fields}
    assert names == ENVELOPE_FIELDS
    assert "data" not in names

"""A schema is checked against the filters that are live: who would lose events is told before it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from tidegate.cli.report.words import Outcome, describe_surroundings
from tidegate.v1 import event_service_pb2 as pb
from tidegate.v1 import schema_service_pb2 as schemas

from gateway.live_filters import LiveFilters
from registry.uses import LiveFilter
from tests.shop import ORDERS, PAID, PLACED, SCHEMA, SCHEMA_2, SUBJECT
from tests.test_reader_guard import promise_nothing

if TYPE_CHECKING:
    from tests.shop import Shop

RENAMED = {
    **SCHEMA,
    "shop/v1/order.proto": SCHEMA["shop/v1/order.proto"].replace("int64 amount_cents", "int64 cents"),
}


async def check(shop: Shop, files: dict[str, str]) -> schemas.CheckReport:
    """What a registration of sources would do."""
    request = schemas.CheckSchemaRequest(subject=SUBJECT, sources={"files": files})
    (part,) = [part async for part in shop.schemas.CheckSchema(request)]
    return part.report


async def live(shop: Shop, client_name: str, **fields: Any) -> None:
    """Subscribes, and reads on."""
    fields = {"start_position": pb.START_POSITION_EARLIEST, "types": [PLACED], **fields}
    await shop.subscribe(ORDERS, reader={"client_name": client_name}, **fields).until("caught_up")


async def test_a_check_tells_whose_filters_would_not_compile(shop: Shop) -> None:
    """Each holder of a filter that reads what would be gone is named once, with type, filter and error."""
    await live(shop, "billing", filter="event.data.amount_cents > 5")
    await live(shop, "billing", filter="event.data.amount_cents > 5")
    await live(shop, "audit", types=[PAID, PLACED], type_filters={PAID: "event.data.amount_cents > 5"})
    await live(shop, "other", filter="event.data.order_id != ''")
    await live(shop, "keys", filter="event.key == 'a'")
    await live(shop, "")
    report = await check(shop, RENAMED)
    found = [(it.group, it.client_name, it.type, it.filter) for it in report.filters]
    assert found == [
        ("", "audit", PAID, "event.data.amount_cents > 5"),
        ("", "billing", PLACED, "event.data.amount_cents > 5"),
    ]
    assert "column 11: undefined field 'amount_cents'" in report.filters[0].error
    assert not (await check(shop, SCHEMA_2)).filters
    assert not (await check(shop, SCHEMA)).filters


async def test_a_filter_does_not_block_a_registration(shop: Shop) -> None:
    """The schema is registered, and whose filters it breaks is told, by the answer and by their streams."""
    await promise_nothing(shop, SUBJECT)
    subscription = shop.subscribe(ORDERS, types=[PLACED], filter="event.data.amount_cents > 5")
    await subscription.until("caught_up")
    request = schemas.RegisterSchemaRequest(subject=SUBJECT, sources={"files": RENAMED})
    answer = await shop.schemas.RegisterSchema(request)
    assert (answer.schema.version, answer.created) == (2, True)
    (told,) = answer.filters
    assert (told.type, told.filter) == (PLACED, "event.data.amount_cents > 5")
    assert "undefined field 'amount_cents'" in told.error
    assert not (await shop.schemas.RegisterSchema(request)).filters  # which makes no version
    await shop.place("a")
    _, warning = await subscription.until("warning")
    assert (warning.event_count, warning.first_sequence) == (1, 1)
    assert f"version 2 of {PLACED}" in warning.message


def test_reports_say_whose_filter_it_is() -> None:
    """A group, a program, or a subscription without a name: each is told of by what it is known by."""
    report = schemas.CheckReport(
        filters=[
            {"group": "billing", "type": PLACED, "filter": "event.data.a == 1", "error": "column 1: no"},
            {"client_name": "audit", "type": PLACED, "filter": "event.data.b == 1", "error": "column 2: no"},
            {"type": PLACED, "filter": "event.data.c == 1", "error": "column 3: no"},
        ]
    )
    told = [text for label, text in describe_surroundings(Outcome("shop", report)) if label == "filter"]
    for text, whose, what in zip(told, ("group billing", "audit", "a subscription"), "abc", strict=True):
        assert text.startswith(f"of {whose} ")
        assert f"`event.data.{what} == 1`" in text
        assert PLACED in text


_HOLDINGS = st.lists(
    st.tuples(
        st.sampled_from(["shop", "notes"]),
        st.builds(
            LiveFilter, st.sampled_from(["", "g"]), st.just("c"), st.just("t.T"), st.sampled_from("ab")
        ),
    ),
    max_size=8,
)


@given(st.lists(_HOLDINGS, max_size=6), st.randoms(use_true_random=False))
def test_filters_are_live_while_somebody_holds_them(holdings: list[Any], random: Any) -> None:
    """However holders of equal filters come and go, a filter is live just while one of them holds it."""
    filters, held = LiveFilters(), []
    for holding in holdings:
        filters.add(holding)
        held.append(holding)
        if random.random() < 0.5:
            gone = held.pop(random.randrange(len(held)))
            filters.remove(gone)
        for subject in ("shop", "notes"):
            wanted = {live for each in held for owner, live in each if owner == subject}
            assert len(filters.of_subject(subject)) == len(wanted)
            assert set(filters.of_subject(subject)) == wanted

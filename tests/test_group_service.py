"""Groups over sockets: made, changed, listed and deleted, and what is refused."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from tidegate.v1 import acknowledgement_pb2 as acks
from tidegate.v1 import event_service_pb2 as events
from tidegate.v1 import group_pb2
from tidegate.v1 import group_service_pb2 as pb

from gateway.acknowledgement_messages import read_acknowledging
from gateway.group_settings import read_settings, settings_message
from gateway.groups.settings import FIELDS, make_settings
from gateway.groups.values import DeadLetterPolicy, Ordering, Settings
from tests.group_desk import GROUP, Desk
from tests.shop import ORDERS, PAID, PAYMENTS, PLACED, Shop, refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

FIRST = {"sequences": {"singles": [1]}}
ACK: dict[str, Any] = {"lease_epoch": 1, **FIRST, "ack": {}}


@pytest.fixture
def desk(shop: Shop) -> Desk:
    """The groups of a gateway that has the shop."""
    return Desk(shop)


async def test_a_group_is_as_it_was_asked_for(start_shop: StartShop) -> None:
    """A group is what was asked for, also after a restart; the gateway adds times, etag and defaults."""
    settings = {
        "ordering": group_pb2.GROUP_ORDERING_NONE,
        "max_in_flight": 50,
        "lease": Duration(nanos=100_000_000),
        "retry": {"min_backoff": Duration(seconds=90), "multiplier": 1.5},
        "dead_letters": group_pb2.DEAD_LETTER_POLICY_PARK_KEY,
    }
    async with start_shop() as shop:
        desk = Desk(shop)
        made = await desk.create(topics=[ORDERS, "shop.>"], types=[PAID], settings=settings)
        assert (made.name, list(made.topics), list(made.types)) == (GROUP, [ORDERS, "shop.>"], [PAID])
        assert made.create_time == made.update_time
        assert made.etag
        assert not made.HasField("stats")
        retry = made.settings.retry
        assert (made.settings.max_in_flight, made.settings.max_in_flight_per_member) == (50, 1_000)
        assert made.settings.lease == Duration(nanos=100_000_000)
        assert (retry.min_backoff.seconds, retry.max_backoff.seconds) == (90, 90)
        assert (retry.multiplier, retry.max_attempts) == (1.5, 10)
        assert made.settings.ordering == group_pb2.GROUP_ORDERING_NONE
        assert made.settings.dead_letters == group_pb2.DEAD_LETTER_POLICY_PARK_KEY
        plain = (await desk.create("plain")).settings
        assert plain == settings_message(Settings())
        assert plain.retry.max_backoff.seconds == 60
    async with start_shop() as shop:
        listed = (await Desk(shop).stub.ListGroups(pb.ListGroupsRequest())).groups
        assert [group.name for group in listed] == [GROUP, "plain"]
        assert listed[0] == made


DURATIONS = st.integers(0, 10**7).map(lambda ms: ms / 1_000)
STATED = st.fixed_dictionaries(
    {},
    optional={
        "ordering": st.sampled_from(Ordering),
        "max_in_flight": st.integers(1, 100_000),
        "max_in_flight_per_member": st.integers(1, 100_000),
        "lease": st.integers(100, 43_200_000).map(lambda ms: ms / 1_000),
        "min_backoff": DURATIONS,
        "max_backoff": st.integers(10**7, 86_400_000).map(lambda ms: ms / 1_000),
        "multiplier": st.floats(1, 100),
        "max_attempts": st.integers(1, 1_000),
        "dead_letters": st.sampled_from(DeadLetterPolicy),
    },
)


@given(STATED)
def test_settings_survive_the_way_as_messages(stated: dict[str, Any]) -> None:
    """Settings that may be are what was stated and otherwise the defaults, and come back from a message."""
    settings = make_settings(stated, "s.")
    message = settings_message(settings)
    assert make_settings(read_settings(message, "s."), "s.") == settings
    assert {name: getattr(settings, name) for name in stated} == stated
    defaults = Settings(max_backoff=max(60.0, settings.min_backoff))
    left = [name for name in FIELDS if name not in stated]
    assert [getattr(settings, name) for name in left] == [getattr(defaults, name) for name in left]


async def wrong(desk: Desk, **fields: Any) -> Any:
    """Why a group can't be made."""
    return await refused(desk.create(**{"name": "new", **fields}))


BAD_GROUPS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "no name": ({"name": ""}, "INVALID_REQUEST", "group.name", "levels"),
    "a bad name": ({"name": "a b"}, "INVALID_REQUEST", "group.name", "billing"),
    "a pattern for a name": ({"name": "a.*"}, "INVALID_REQUEST", "group.name", "levels"),
    "no topics": ({"topics": []}, "INVALID_REQUEST", "group.topics", "at least one"),
    "a topic that can't be": ({"topics": [ORDERS, "a..b"]}, "INVALID_REQUEST", "group.topics[1]", "pattern"),
    "a topic that is not there": ({"topics": ["shop.ordres"]}, "TOPIC_NOT_FOUND", "", ORDERS),
    "many topics": ({"topics": [f"t{n}.>" for n in range(101)]}, "LIMIT_EXCEEDED", "group.topics", "100"),
    "a type without a name": ({"types": [""]}, "INVALID_REQUEST", "group.types[0]", "shop.v1.OrderPlaced"),
    "many types": ({"types": [f"t{n}" for n in range(101)]}, "LIMIT_EXCEEDED", "group.types", "100"),
    "a name that is taken": ({"name": GROUP}, "GROUP_ALREADY_EXISTS", "", "UpdateGroup"),
    "an etag": ({"etag": "e"}, "INVALID_REQUEST", "group.etag", "gateway alone"),
    "a time": ({"create_time": Timestamp(seconds=1)}, "INVALID_REQUEST", "group.create_time", "gateway"),
    "stats": ({"stats": {}}, "INVALID_REQUEST", "group.stats", "gateway alone"),
    "sequence 0": ({"from_sequence": 0}, "INVALID_REQUEST", "from_sequence", "at least 1"),
    "a sequence to come": ({"from_sequence": 99}, "SEQUENCE_OUT_OF_RANGE", "from_sequence", "highest"),
    "a time far ahead": (
        {"from_time": Timestamp(seconds=int(time.time()) + 3_600)},
        "INVALID_REQUEST",
        "from_time",
        "future",
    ),
    "a start that is none": ({"start_position": 9}, "INVALID_REQUEST", "start_position", "9"),
}
BAD_SETTINGS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no ordering": ({"ordering": 9}, "ordering", "GroupOrdering"),
    "no policy": ({"dead_letters": 7}, "dead_letters", "DeadLetterPolicy"),
    "much in flight": ({"max_in_flight": 100_001}, "max_in_flight", "100,000"),
    "much for a member": ({"max_in_flight_per_member": 100_001}, "max_in_flight_per_member", "100,000"),
    "a short lease": ({"lease": Duration(nanos=99_999_999)}, "lease", "100 ms to 12 hours"),
    "a long lease": ({"lease": Duration(seconds=43_201)}, "lease", "100 ms to 12 hours"),
    "a lease backwards": ({"lease": Duration(seconds=-1)}, "lease", "negative"),
    "a long wait": ({"retry": {"min_backoff": Duration(seconds=86_401)}}, "retry.min_backoff", "24 hours"),
    "waits upside down": (
        {"retry": {"min_backoff": Duration(seconds=5), "max_backoff": Duration(seconds=4)}},
        "retry.max_backoff",
        "which is 5 s",
    ),
    "shorter waits": ({"retry": {"multiplier": 0.5}}, "retry.multiplier", "1 to 100"),
    "no number": ({"retry": {"multiplier": float("nan")}}, "retry.multiplier", "1 to 100"),
    "many attempts": ({"retry": {"max_attempts": 1_001}}, "retry.max_attempts", "1,000"),
}


@pytest.mark.parametrize("case", BAD_GROUPS)
async def test_bad_groups_are_refused_clearly(desk: Desk, case: str) -> None:
    """Each bad group is refused with its reason, its field and words that help, and is not made."""
    fields, reason, path, words = BAD_GROUPS[case]
    await desk.create()
    found = await wrong(desk, **fields)
    assert (found.reason, "".join(found.fields)) == (reason, path)
    assert words in found.message
    assert await desk.names() == [GROUP]


async def test_bad_settings_are_refused_clearly(desk: Desk) -> None:
    """Settings outside of their limits are refused, naming the field and the limit; also in a change."""
    await desk.create()
    for case, (settings, path, words) in BAD_SETTINGS.items():
        found = await wrong(desk, settings=settings)
        assert (found.reason, found.fields) == ("INVALID_REQUEST", [f"group.settings.{path}"]), case
        assert words in found.message, case
        if path != "ordering":
            mask = "settings.retry" if path.startswith("retry") else f"settings.{path}"
            found = await refused(desk.update([mask], settings=settings))
            assert found.fields == [f"group.settings.{path}"], case
    assert await desk.names() == [GROUP]


async def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    """Every call about a group that is not there is NOT_FOUND, naming one that is close."""
    await desk.create("shop.billing")
    name = "shop.biling"
    stub = desk.stub
    for call in (
        stub.GetGroup(pb.GetGroupRequest(name=name)),
        desk.update(["types"], name),
        desk.delete(name),
        desk.seek(name, start_position=events.START_POSITION_LATEST),
        stub.ListDeadLetters(pb.ListDeadLettersRequest(group=name)),
        stub.GetDeadLetter(pb.GetDeadLetterRequest(group=name, sequence=1)),
        desk.redrive(name, all=True),
        desk.purge(name, all=True),
        stub.ReleaseKey(pb.ReleaseKeyRequest(group=name, key="k")),
        stub.SkipEvent(pb.SkipEventRequest(group=name, sequence=1)),
        desk.acknowledge("member", ACK, name=name),
    ):
        found = await refused(call)
        assert (found.code, found.reason) == ("NOT_FOUND", "GROUP_NOT_FOUND")
        assert found.facts["near"] == "shop.billing"


async def test_listing(desk: Desk) -> None:
    """Listing answers every matching group once, by name, whatever the size of a page."""
    everything = sorted(["alone", *(f"many.g{number}" for number in range(6))])
    for name in everything:
        await desk.create(name)
    for size in (0, 1, 3, 7, 1_000_000):
        assert await desk.names(page_size=size) == everything
    assert await desk.names(pattern="many.*", page_size=4) == everything[1:]
    assert await desk.names(pattern="alone") == ["alone"]
    for field, value in (("pattern", "a.>.x"), ("page_token", "nonsense")):
        found = await refused(desk.stub.ListGroups(pb.ListGroupsRequest(**{field: value})))
        assert (found.code, found.fields) == ("INVALID_ARGUMENT", [field])


async def test_only_what_the_mask_names_changes(start_shop: StartShop) -> None:
    """A change changes what its mask names, to what is said or else the default, and outlives a restart."""
    async with start_shop() as shop:
        desk = Desk(shop)
        retry = {"min_backoff": Duration(seconds=2), "max_attempts": 7}
        first = await desk.create(settings={"retry": retry, "max_in_flight": 5})
        changed = await desk.update(
            ["topics", "settings.retry.max_attempts", "settings.lease"],
            topics=["shop.*"],
            types=[PLACED],
            settings={"retry": {"max_attempts": 3}, "max_in_flight": 9, "lease": Duration(seconds=1)},
        )
        assert (list(changed.topics), list(changed.types)) == (["shop.*"], [])
        assert (changed.settings.max_in_flight, changed.settings.lease.seconds) == (5, 1)
        assert (changed.settings.retry.max_attempts, changed.settings.retry.min_backoff.seconds) == (3, 2)
        assert changed.create_time == first.create_time
        assert changed.etag != first.etag
        assert (changed.update_time.ToNanoseconds()) > first.update_time.ToNanoseconds()
        whole = await desk.update(["settings.retry"], settings={"retry": {"multiplier": 3}})
        assert whole.settings.retry == settings_message(Settings(multiplier=3)).retry
    async with start_shop() as shop:
        (listed,) = (await Desk(shop).stub.ListGroups(pb.ListGroupsRequest())).groups
        assert listed == whole


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ([], "settings.lease"),
        (["name"], "'name' can't be changed"),
        (["settings"], "settings.dead_letters"),
        (["types", "settings.retry.nothing"], "settings.retry.nothing"),
        (["settings.ordering"], "another group"),
    ],
)
async def test_a_change_must_say_what(desk: Desk, paths: list[str], words: str) -> None:
    """A change names fields that can be changed, else it is refused with those, or with the way out."""
    await desk.create()
    found = await refused(desk.update(paths))
    assert (found.reason, found.fields) == ("INVALID_REQUEST", ["update_mask"])
    assert words in found.message


async def test_a_change_is_held_against_the_topics(desk: Desk) -> None:
    """A group can't be changed to topics that are not there, and stays what it was."""
    first = await desk.create()
    found = await refused(desk.update(["topics"], topics=["shop.nothing"]))
    assert found.reason == "TOPIC_NOT_FOUND"
    assert (await desk.stub.ListGroups(pb.ListGroupsRequest())).groups == [first]


async def test_a_change_of_an_old_state_is_refused(desk: Desk) -> None:
    """With an etag, a change or deletion is taken just if nobody changed the group meanwhile."""
    etag = (await desk.create()).etag
    newer = (await desk.update(["types"], types=[PAID], etag=etag)).etag
    for call in (desk.update(["types"], types=[PLACED], etag=etag), desk.delete(etag=etag)):
        found = await refused(call)
        assert (found.code, found.reason, found.facts["etag"]) == ("ABORTED", "GROUP_CHANGED", newer)
    await desk.delete(etag=newer)
    assert await desk.names() == []


async def test_changes_at_once_all_count(desk: Desk) -> None:
    """Changes that are under way together, without etags, all hold in the end; of four makers, one does."""
    made = await asyncio.gather(*(desk.create() for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(it, grpc.aio.AioRpcError) for it in made) == 3
    await asyncio.gather(
        desk.update(["types"], types=[PAID]),
        desk.update(["topics"], topics=[PAYMENTS]),
        desk.update(["settings.max_in_flight"], settings={"max_in_flight": 77}),
    )
    (group,) = (await desk.stub.ListGroups(pb.ListGroupsRequest())).groups
    assert (list(group.types), list(group.topics)) == ([PAID], [PAYMENTS])
    assert group.settings.max_in_flight == 77


async def test_there_is_a_limit_to_groups(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One group more than there may be is refused, naming the limit; deleting one makes room."""
    monkeypatch.setattr("gateway.groups.groups.MOST_GROUPS", 2)
    for name in ("one", "two"):
        await desk.create(name)
    found = await wrong(desk)
    assert (found.code, found.reason) == ("RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED")
    assert (found.facts["limit"], found.facts["maximum"]) == ("max_groups", "2")
    await desk.delete("one")
    await desk.create("new")


BAD_ACKS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no group": ({"group": ""}, "group", "must name"),
    "no member": ({"member_id": ""}, "member_id", "Opened"),
    "nothing": ({"settlements": []}, "settlements", "at least one"),
    "no events": ({"settlements": [ACK, {"ack": {}}]}, "settlements[1].events", "through"),
    "empty events": ({"settlements": [{"sequences": {}, "ack": {}}]}, "settlements[0].events", "at least"),
    "no outcome": ({"settlements": [FIRST]}, "settlements[0].outcome", "nack"),
    "a range backwards": (
        {
            "settlements": [
                {"sequences": {"ranges": [{"first": 1, "last": 1}, {"first": 3, "last": 2}]}, "ack": {}}
            ]
        },
        "settlements[0].sequences.ranges[1]",
        "ends at 2",
    ),
    "a long delay": (
        {"settlements": [{**FIRST, "nack": {"delay": Duration(seconds=86_401)}}]},
        "settlements[0].nack.delay",
        "24 hours",
    ),
    "a delay backwards": (
        {"settlements": [{**FIRST, "nack": {"delay": Duration(seconds=-1)}}]},
        "settlements[0].nack.delay",
        "negative",
    ),
}


async def test_bad_acknowledgements_are_refused_clearly(desk: Desk) -> None:
    """What is wrong with an acknowledgement is said with the field, and nothing of it is done."""
    await desk.create()
    for case, (fields, path, words) in BAD_ACKS.items():
        whole = {"group": GROUP, "member_id": "m", "settlements": [ACK]} | fields
        found = await refused(desk.shop.stub.Acknowledge(events.AcknowledgeRequest(**whole)))
        assert (found.reason, found.fields) == ("INVALID_REQUEST", [path]), case
        assert words in found.message, case
    found = await refused(desk.acknowledge("m", *[ACK] * 10_001))
    assert (found.reason, found.facts["limit"]) == ("LIMIT_EXCEEDED", "max_settlements")
    big = {"lease_epoch": 1, **FIRST, "nack": {"reason": "x" * 2**20}}
    found = await refused(desk.acknowledge("m", big))
    assert (found.reason, found.facts["limit"]) == ("LIMIT_EXCEEDED", "max_call_bytes")
    raw = desk.shop.channel.unary_unary("/tidegate.v1.EventService/Acknowledge")
    found = await refused(raw(b"\xff"))
    assert (found.reason, found.fields) == ("INVALID_REQUEST", ["request"])


def test_of_a_reason_what_fits_is_kept() -> None:
    """A long reason is cut to 4,096 bytes at a whole character."""
    for reason in ("short", "x" * 5_000, "é" * 3_000, "x" + "é" * 3_000):
        request = events.AcknowledgeRequest(
            group="g", member_id="m", settlements=[{**FIRST, "reject": {"reason": reason}}]
        )
        (settlement,) = read_acknowledging(request.SerializeToString()).settlements
        assert reason.startswith(settlement.reason)
        left = reason[len(settlement.reason) :]
        assert not left or 4_092 < len(settlement.reason.encode()) <= 4_096


def test_ten_thousand_settlements_are_read_quickly() -> None:
    """The largest acknowledgements hold up the gateway for some ten milliseconds at most."""
    many = [acks.Settlement(lease_epoch=n, sequences={"singles": [n]}, ack={}) for n in range(1, 10_001)]
    one = [acks.Settlement(lease_epoch=1, sequences={"singles": range(1, 200_000)}, ack={})]
    for settlements in (many, one):
        raw = events.AcknowledgeRequest(group="g", member_id="m", settlements=settlements).SerializeToString()
        taken = []
        for _ in range(3):
            start = time.thread_time()
            read_acknowledging(raw)
            taken.append(time.thread_time() - start)
        assert min(taken) < 0.1


async def test_a_member_can_not_ask_for_what_a_group_excludes(desk: Desk) -> None:
    """Fields that don't go with a group, or only with one, are refused."""
    await desk.create()
    for fields, path in (
        ({"group": GROUP, "end_sequence": 5}, "end_sequence"),
        ({"group": GROUP, "on_gap": events.ON_GAP_SKIP}, "on_gap"),
        ({"max_in_flight": 5}, "max_in_flight"),
        ({"group_settings": {}}, "group_settings"),
        ({"group": "a b"}, "group"),
        ({"group": "new", "group_settings": {"max_in_flight": 10**6}}, "group_settings.max_in_flight"),
    ):
        found = await desk.shop.subscribe(ORDERS, **fields).refused()
        assert (found.reason, found.fields) == ("INVALID_REQUEST", [path])
    found = await desk.shop.subscribe(group="billin").refused()
    assert (found.reason, found.facts["near"]) == ("GROUP_NOT_FOUND", GROUP)
    assert "names topics makes it" in found.message
    assert await desk.names() == [GROUP]


async def test_a_subscription_that_says_something_else_is_refused(desk: Desk) -> None:
    """What a subscription says of its group must be what the group has; the refusal names both."""
    await desk.create(topics=[ORDERS, PAYMENTS], types=[PAID], settings={"max_in_flight": 5})
    for fields, path, has, says in (
        ({"topics": [ORDERS]}, "topics", f"{ORDERS}, {PAYMENTS}", ORDERS),
        ({"types": [PLACED]}, "types", PAID, PLACED),
        ({"group_settings": {"max_in_flight": 6}}, "group_settings.max_in_flight", "5", "6"),
        ({"group_settings": {"lease": Duration(seconds=9)}}, "group_settings.lease", "30", "9"),
        (
            {"group_settings": {"retry": {"max_attempts": 9}}},
            "group_settings.retry.max_attempts",
            "10",
            "9",
        ),
        (
            {"group_settings": {"ordering": group_pb2.GROUP_ORDERING_NONE}},
            "group_settings.ordering",
            "BY_KEY",
            "NONE",
        ),
    ):
        names = fields.pop("topics", ())
        found = await desk.shop.subscribe(*names, group=GROUP, **fields).refused()
        assert (found.code, found.reason) == ("FAILED_PRECONDITION", "GROUP_DIFFERS")
        assert (found.facts["field"], found.facts["has"], found.facts["says"]) == (path, has, says)
        assert "UpdateGroup" in found.message

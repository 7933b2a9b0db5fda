"""The chapters of the demo, in the order in which they are told."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dataset import read_airlines
from events import DEPARTED, EventSchema, count_flights, version_of
from google.protobuf.json_format import MessageToDict
from processes import Consumer, DemoError
from sharing import Sharing
from stubs import make_stubs
from tidegate.errors import InvalidEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AsyncExitStack

    from dataset import Flight
    from screen import Screen
    from tally import Tally
    from tidegate import AsyncClient

SCHEMAS = Path(__file__).parent / "schema"
SUBJECT, TOPIC = "flights", "airport.departures"
PUBLISHER, GENERIC, LATE, STUBS = "publisher", "client library", "from a time", "stubs only"
BREATH = 200  # events between two looks at what else there is to do


class Story:
    """Tells the demo: who takes part in it, and what each consumer must have counted in the end.

    Args:
        flights: The file. Its first half is published before one of the consumers starts, and its last part
            partly in version 2 of the schema.
        pace: Flights to publish a second, so that one can watch; ``None`` for as fast as it goes.
        folder: Where generated stubs may be put.
        processes: Ends the consumers.
    """

    def __init__(
        self,
        screen: Screen,
        client: AsyncClient,
        flights: Sequence[Flight],
        *,
        pace: int | None,
        folder: Path,
        processes: AsyncExitStack,
    ) -> None:
        self._screen = screen
        self._client = client
        self._pace = pace
        self._folder = folder
        self._processes = processes
        half, upgrade = len(flights) // 2, len(flights) * 85 // 100
        self._sharing = Sharing(screen, client, TOPIC, flights)
        self._parts = (flights[:half], flights[half:upgrade], flights[upgrade:])
        self._consumers: dict[str, Consumer] = {}

    async def tell(self) -> bool:
        """Goes through all chapters; answers whether every count is what the file says.

        Raises:
            DemoError: Something else is not as it should be.
        """
        first = await self._prepare()
        await self._replay(first)
        self._show_results()
        await self._publish_bad_event(first)
        await self._upgrade(first)
        is_shared = await self._sharing.tell()
        return await self._compare() and is_shared

    async def _prepare(self) -> EventSchema:
        schema = await self._register(1)
        topic = await self._client.create_topic(TOPIC, subject=SUBJECT)
        self._screen.say("topic created", f"{topic.name}, for all types of {topic.subject}")
        stored = await self._client.get_schema(SUBJECT)
        await make_stubs(self._folder, stored.descriptor_set)
        self._screen.say("stubs generated", "by protoc, of the contract and of the registered schema")
        return schema

    async def _register(self, version: int) -> EventSchema:
        folder = SCHEMAS / f"v{version}"
        schema = await self._client.register_schema(SUBJECT, files=["flights.proto"], root=folder)
        self._screen.say(
            "schema registered", f"{SUBJECT} version {schema.version}: {', '.join(schema.types)}"
        )
        return await EventSchema.fetch(self._client, schema.version)

    async def _replay(self, first: EventSchema) -> None:
        """Publishes all but the last part; the consumer from a timestamp starts when half is out."""
        total = sum(map(len, self._parts[:2]))
        with self._screen.counting(
            {PUBLISHER: total, GENERIC: total, STUBS: total, LATE: len(self._parts[1])}
        ):
            await self._start_consumer(GENERIC, "consumer.py", "earliest")
            await self._start_consumer(STUBS, "stubs_consumer.py", PYTHONPATH=str(self._folder))
            await self._publish(self._parts[0], lambda _: first)
            await self._start_consumer(LATE, "consumer.py", datetime.now(UTC).isoformat())
            await self._reach(await self._publish(self._parts[1], lambda _: first))

    async def _start_consumer(self, name: str, script: str, *arguments: str, **environment: str) -> None:
        consumer = Consumer(name, lambda report: self._screen.count(name, report.tally.events))
        command = (str(Path(__file__).parent / script), self._client.server, TOPIC, *arguments)
        await self._processes.enter_async_context(consumer.running(*command, **environment))
        self._consumers[name] = consumer

    async def _reach(self, sequence: int) -> None:
        await asyncio.gather(*(consumer.reach(sequence) for consumer in self._consumers.values()))

    async def _publish(self, flights: Sequence[Flight], schema_of: Callable[[Flight], EventSchema]) -> int:
        """Publishes flights, and waits until all are durable; answers the last sequence."""
        futures = []
        started = time.monotonic()
        async with self._client.publisher(source="examples/flights") as publisher:
            for count, flight in enumerate(flights):
                schema = schema_of(flight)
                future = await publisher.publish(TOPIC, schema.encode(flight), schema_version=schema.version)
                future.add_done_callback(lambda _: self._screen.advance(PUBLISHER))
                futures.append(future)
                if count % BREATH == 0:
                    due = started + count / self._pace - time.monotonic() if self._pace else 0
                    await asyncio.sleep(max(0, due))
        return max(future.result().sequence for future in futures)

    def _show_results(self) -> None:
        """Writes what each consumer found out, by airline."""
        airlines = read_airlines()
        tallies = {name: self._consumers[name].report.tally for name in (GENERIC, STUBS, LATE)}
        by_size = sorted(tallies[GENERIC].departed.items(), key=lambda item: -item[1])
        rows = (
            (airlines[carrier], *(_describe_delays(tally, carrier) for tally in tallies.values()))
            for carrier, _ in by_size
        )
        self._screen.show_table(
            "Departures and their mean delay in minutes, as each consumer counted them",
            ("airline", *tallies),
            rows,
        )

    async def _publish_bad_event(self, first: EventSchema) -> None:
        good = self._parts[0][0]
        bad = replace(good, distance=0)
        events = [first.encode(good), first.encode(bad)]
        self._screen.say("bad event published", "the second of two: a flight over 0 miles")
        try:
            await self._client.publish(TOPIC, events, schema_version=first.version)
        except InvalidEvent as error:
            for violation in error.violations:
                self._screen.say(f"  rejected, {error.reason}", str(violation))
        else:
            raise DemoError("the gateway took an event that breaks its rules")

    async def _upgrade(self, first: EventSchema) -> None:
        """Publishes the last part in two versions at once, and shows an event of each."""
        second = await self._register(2)
        history, live, upgrade = map(len, self._parts)
        totals = {PUBLISHER: upgrade, GENERIC: history + live + upgrade, STUBS: history + live + upgrade}
        with self._screen.counting({**totals, LATE: live + upgrade}):
            schemas = {1: first, 2: second}
            before = max(consumer.report.sequence for consumer in self._consumers.values())
            await self._reach(await self._publish(self._parts[2], lambda flight: schemas[version_of(flight)]))
        await self._show_versions(before + 1)

    async def _show_versions(self, start: int) -> None:
        shown: set[int] = set()
        subscription = self._client.subscribe(TOPIC, start=start, types=[DEPARTED], until_caught_up=True)
        async for event in subscription:
            if event.schema_version not in shown:
                shown.add(event.schema_version)
                data = MessageToDict(event.message, preserving_proto_field_name=True)
                self._screen.say(f"read, version {event.schema_version}", json.dumps(data))
        if shown != {1, 2}:
            raise DemoError(f"events of versions 1 and 2 were published, but read were {shown}")

    async def _compare(self) -> bool:
        """Compares what was counted with the file, and the log with it."""
        history, live, upgrade = self._parts
        late = count_flights(live, lambda _: 1) + count_flights(upgrade, version_of)
        everything = count_flights(history, lambda _: 1) + late
        expected = {GENERIC: everything, STUBS: everything, LATE: late}
        found = {name: self._consumers[name].report.tally for name in expected}
        rows = _compare_rows(list(found.values()), list(expected.values()))
        self._screen.show_table("Counted, and in the file", ("", *expected), rows)
        stored = (await self._client.get_topic(TOPIC)).stats.event_count
        self._screen.say("in the log", f"{stored:,} events; in the file {everything.events:,} flights")
        return found == expected and stored == everything.events


def _describe_delays(tally: Tally, carrier: str) -> str:
    return f"{tally.departed.get(carrier, 0):,} {tally.mean_delay(carrier):+6.1f}"


def _compare_rows(found: Sequence[Tally], expected: Sequence[Tally]) -> Iterator[tuple[str, ...]]:
    measures: dict[str, Callable[[Tally], int]] = {
        "departed": lambda tally: sum(tally.departed.values()),
        "minutes late": lambda tally: sum(tally.delay.values()),
        "cancelled": lambda tally: sum(tally.cancelled.values()),
        "in version 1": lambda tally: tally.versions.get("1", 0),
        "in version 2": lambda tally: tally.versions.get("2", 0),
    }
    for name, measure in measures.items():
        yield (name, *(f"{measure(tally):,}" for tally in found))
        yield ("  in the file", *(f"{measure(tally):,}" for tally in expected))
    verdicts = (
        "equal" if mine == theirs else "DIFFERENT" for mine, theirs in zip(found, expected, strict=True)
    )
    yield ("", *verdicts)

"""Makes events of flights, in the version of the schema that an airport knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tally import Tally
from tidegate import NewEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dataset import Flight
    from google.protobuf.message import Message
    from tidegate import AsyncClient

DEPARTED = "flights.v1.Departed"
CANCELLED = "flights.v1.Cancelled"
UPGRADED_AIRPORT = "JFK"


@dataclass(frozen=True, slots=True)
class EventSchema:
    """One version of the flights' schema: its number, and its classes."""

    version: int
    departed: type[Message]
    cancelled: type[Message]

    @classmethod
    async def fetch(cls, client: AsyncClient, version: int) -> EventSchema:
        """Makes the classes from what the gateway knows of that version."""
        departed = await client.message_class(DEPARTED, version)
        return cls(version, departed, await client.message_class(CANCELLED, version))

    def encode(self, flight: Flight) -> NewEvent:
        """Makes the event that tells of a flight."""
        message = self._cancelled(flight) if flight.delay is None else self._departed(flight)
        time = flight.scheduled + timedelta(minutes=flight.delay or 0)
        return NewEvent(message, key=key_of(flight), time=time)

    def _departed(self, flight: Flight) -> Message:
        message: Any = self.departed(
            **_journey(flight),
            tail_number=flight.tail_number,
            delay_minutes=flight.delay,
            distance_miles=flight.distance,
        )
        if self.version >= 2 and flight.arrival_delay is not None:
            message.arrival_delay_minutes = flight.arrival_delay
        return message  # type: ignore[no-any-return]

    def _cancelled(self, flight: Flight) -> Message:
        return self.cancelled(**_journey(flight))


def _journey(flight: Flight) -> dict[str, Any]:
    return {
        "carrier": flight.carrier,
        "flight": flight.number,
        "origin": flight.origin,
        "destination": flight.destination,
        "scheduled": flight.scheduled,
    }


def key_of(flight: Flight) -> str:
    """Answers the key of a flight's event: its designator, such as ``UA1545``."""
    return f"{flight.carrier}{flight.number}"


def version_of(flight: Flight) -> int:
    """Answers the schema version in which a flight is told of once version 2 is there."""
    return 2 if flight.origin == UPGRADED_AIRPORT else 1


def count_flights(flights: Iterable[Flight], version: Callable[[Flight], int]) -> Tally:
    """Counts what the file says, for the comparison with what consumers counted."""
    tally = Tally()
    for flight in flights:
        tally.add(flight.carrier, flight.delay, version(flight))
    return tally

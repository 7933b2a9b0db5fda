"""What a consumer counts. The consumers count events with it, and the demo counts the file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(slots=True)
class Tally:
    """Counts by carrier and by schema version. Two tallies of the same flights are equal.

    Attributes:
        departed: Departures by carrier.
        delay: Sum of the departures' delays in minutes, by carrier.
        cancelled: Cancelled flights by carrier.
        versions: Events by schema version; JSON wants its keys as text.
    """

    departed: dict[str, int] = field(default_factory=dict)
    delay: dict[str, int] = field(default_factory=dict)
    cancelled: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    def add(self, carrier: str, delay: int | None, schema_version: int) -> None:
        """Counts one flight; a ``delay`` of ``None`` says that it was cancelled."""
        if delay is None:
            self.cancelled[carrier] = self.cancelled.get(carrier, 0) + 1
        else:
            self.departed[carrier] = self.departed.get(carrier, 0) + 1
            self.delay[carrier] = self.delay.get(carrier, 0) + delay
        version = str(schema_version)
        self.versions[version] = self.versions.get(version, 0) + 1

    def __add__(self, other: Tally) -> Tally:
        """Answers the tally of both."""
        counts = zip(asdict(self).items(), asdict(other).values(), strict=True)
        return Tally(**{name: _add(mine, theirs) for (name, mine), theirs in counts})

    @property
    def events(self) -> int:
        """How many flights were counted."""
        return sum(self.versions.values())

    def mean_delay(self, carrier: str) -> float:
        """Answers the mean delay of a carrier's departures in minutes."""
        return self.delay.get(carrier, 0) / max(1, self.departed.get(carrier, 0))


def _add(mine: dict[str, int], theirs: dict[str, int]) -> dict[str, int]:
    return {key: mine.get(key, 0) + theirs.get(key, 0) for key in mine.keys() | theirs.keys()}


@dataclass(frozen=True, slots=True)
class Report:
    """What a consumer tells the demo, one JSON line each.

    Attributes:
        sequence: Of the last event that was counted; 0 before the first.
        tally: Everything counted so far.
    """

    sequence: int
    tally: Tally

    def to_line(self) -> str:
        """Answers the report as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str | bytes) -> Report:
        """Reads what ``to_line`` wrote."""
        values = json.loads(line)
        return cls(values["sequence"], Tally(**values["tally"]))

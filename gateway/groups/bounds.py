"""How much a group may hold in memory. Imports nothing."""

from __future__ import annotations

from typing import Final, NamedTuple

LOOK_AHEAD: Final = 100_000
"""How many events are held that are not settled, besides one for each key."""
READ_AHEAD: Final = 2_000
"""How many events that nobody waits for are held ready, so that members need not wait for the log."""
BUFFERED: Final = 64
"""How many events are buffered behind the head of a key, at most, when half of the look-ahead is held."""
MOST_BUFFERED: Final = 1_000
"""How many when less is held: with few keys, less is to be read again."""
MOST_PARKED: Final = 10_000
"""With how many parked keys a group stalls."""
TAKEN_AT_ONCE: Final = 10_000
"""How many events a member is given at once."""
REMEMBERED: Final = 5_000
"""How many of the events that were settled last are known to be, while keys are behind: so that who says the
same again is told so."""
FAR: Final = 10_000
"""Over how many sequences that no key starves for nothing is read again; see ``sweep``."""


class Bounds(NamedTuple):
    """How much one group may hold; see the constants of the same names."""

    look_ahead: int = LOOK_AHEAD
    read_ahead: int = READ_AHEAD
    buffered: int = BUFFERED
    most_buffered: int = MOST_BUFFERED
    most_parked: int = MOST_PARKED
    remembered: int = REMEMBERED
    far: int = FAR


BOUNDS: Final = Bounds()

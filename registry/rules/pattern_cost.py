"""What a regular expression in CEL costs, or why it may not be used.

Imports ``cel_cost``, ``regex_cost`` and ``regex_syntax`` of the registry.
"""

from __future__ import annotations

from math import inf

from registry.rules.cel_cost import Unbounded
from registry.rules.regex_cost import FEW_PLACES, steps_a_character
from registry.rules.regex_syntax import UnreadablePattern

PATTERN_CHARACTERS = 2048
"""How long a pattern may be."""


def pattern_steps(pattern: str) -> float:
    """Answers the steps that the pattern takes for each character of a text.

    Raises:
        Unbounded: It takes too many, or can't be read.
    """
    if len(pattern) > PATTERN_CHARACTERS:
        raise Unbounded(f"the pattern has {len(pattern):,} characters; the limit is {PATTERN_CHARACTERS:,}")
    try:
        steps = steps_a_character(pattern)
    except UnreadablePattern as error:
        raise Unbounded(f"the pattern can't be read: {error}") from error
    if steps == inf:
        raise Unbounded(
            f"the pattern has more than {FEW_PLACES} places that a text may be at together: "
            f"anchor it with ^, or lower its repetition counts"
        )
    return steps

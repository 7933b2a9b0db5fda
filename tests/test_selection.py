"""Topic names, patterns and selections."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.selection import EVERYTHING, Selection, is_topic_name, is_topic_pattern

_LEVEL = st.one_of(st.sampled_from("ab"), st.text("abAB09_-", min_size=1, max_size=3))
_NAME = st.lists(_LEVEL, min_size=1, max_size=4).map(".".join)
_PATTERN = st.tuples(
    st.lists(st.one_of(_LEVEL, st.just("*")), max_size=3), st.one_of(_LEVEL, st.sampled_from("*>"))
).map(lambda parts: ".".join((*parts[0], parts[1])))


def matches(pattern: str, name: str) -> bool:
    """Matches level by level, the plain way."""
    wanted, levels = pattern.split("."), name.split(".")
    for index, level in enumerate(wanted):
        if level == ">":
            return len(levels) > index
        if index >= len(levels) or level not in ("*", levels[index]):
            return False
    return len(wanted) == len(levels)


@given(st.lists(_PATTERN, min_size=1, max_size=8), _NAME)
def test_a_selection_matches_as_the_levels_say(patterns: list[str], name: str) -> None:
    """A selection of names and patterns has just the topics that one of them matches level by level."""
    selection = Selection(
        frozenset(filter(is_topic_name, patterns)), tuple(filter(is_topic_pattern, patterns))
    )
    assert selection.has_topic(name) == any(matches(pattern, name) for pattern in patterns)


@given(_NAME)
def test_everything_has_every_topic(name: str) -> None:
    """The selection of everything has every well-formed topic."""
    assert is_topic_name(name)
    assert EVERYTHING.has_topic(name)


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "a b", "ä", "a.*", ">", "a" * 256, "a\n", "a/b"]
)
def test_malformed_names_are_none(text: str) -> None:
    """What is not levels of letters, digits, _ and - is no topic name."""
    assert not is_topic_name(text)


@pytest.mark.parametrize("text", ["", "a.>.b", ">.a", "a.b*", "a.>>", "**", "a. *", "a", "*." * 128 + "*"])
def test_malformed_patterns_are_none(text: str) -> None:
    """A > stands last and alone, a * alone in its level; what has neither is no pattern."""
    assert not is_topic_pattern(text)


def test_no_patterns_cost_much() -> None:
    """A hundred of the longest patterns are ready in milliseconds, however they begin and part."""
    long = 120
    hostile = [
        [".".join(["*"] * long + [f"q{number}"]) for number in range(100)],
        [".".join([f"q{number}"] + ["*"] * long) for number in range(100)],
        [".".join(["*"] * number + ["a"] * (long - number) + [">"]) for number in range(100)],
        [".".join("*a"[number >> place % 7 & 1] for place in range(long)) for number in range(100)],
    ]
    name = ".".join("a" * (long - 1))
    begun = time.process_time()
    for patterns in hostile:
        assert all(map(is_topic_pattern, patterns))
        selection = Selection(patterns=tuple(patterns))
        for _ in range(20):
            assert selection.has_topic(name) == any(matches(pattern, name) for pattern in patterns)
    assert time.process_time() - begun < 1.0

"""Our findings and verdicts against Buf's, on drawn schemas and drawn mutations of them.

Each difference must be one of `tests/compat/known_differences.toml`, which says why it is there.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.buf_breaking import rules_of
from tests.buf_comparison import differences, draw, held_against_each_other, shown
from tests.known_differences import known_differences

if TYPE_CHECKING:
    from tests.buf_comparison import Case, Difference
    from tests.known_differences import Known


def unknown(case: Case, met: Counter[Known]) -> list[Difference]:
    """Answers the differences that no entry covers, and counts those that one does."""
    left = []
    for difference in differences(case):
        known = next((it for it in known_differences() if it.covers(difference, case)), None)
        if known is None:
            left.append(difference)
        else:
            met[known] += 1
    return left


def hold(seeds: range) -> tuple[Counter[Known], set[str]]:
    """Draws and compares, and fails with the schemas if there is a difference that nobody knows.

    Answers the differences that were met, and the rules that Buf found broken.
    """
    met: Counter[Known] = Counter()
    rules: set[str] = set()
    for start in seeds[::400]:
        cases = draw(range(start, min(start + 400, seeds.stop)))
        held_against_each_other(cases)
        left = {seed: found for seed, case in cases.items() if (found := unknown(case, met))}
        assert not left, "\n\n".join(shown(seed, cases[seed], found) for seed, found in [*left.items()][:3])
        rules.update(it.rule_id for case in cases.values() for it in case.theirs)
    return met, rules


def test_findings_and_verdicts_are_bufs() -> None:
    """Each rule of Buf's is broken where Buf says, and so is each surface, or we know why not."""
    _, rules = hold(range(2_400, 3_200))
    assert set().union(*rules_of().values()) - rules == set(), "rules that no mutation breaks"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_findings_and_verdicts_are_bufs_at_length() -> None:
    """The same over tens of thousands of schemas, where each known difference is met, too."""
    met, _ = hold(range(10_000, 25_000))
    assert [known for known in known_differences() if not met[known]] == []

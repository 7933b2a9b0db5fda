"""What the embedded engine promises of its index of keys, beyond the suite of all engines."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import key_places, sqlite_key_index, sqlite_key_reader, sqlite_key_tables, sqlite_key_upkeep
from tests.key_model import STEPS, compare
from tests.log_model import opener


@given(
    steps=STEPS,
    sizes=st.fixed_dictionaries(
        {
            "RECENT_RECORDS": st.sampled_from((1, 3, 10)),
            "FANOUT": st.sampled_from((2, 3)),
            "SLICE_BYTES": st.sampled_from((1, 200, 10_000)),
            "ROW_BYTES": st.sampled_from((1, 100, 1_000)),
            "RECORD_BYTES": st.sampled_from((1, 100, 10_000)),
            "COLLIDE": st.booleans(),
        }
    ),
)
@settings(deadline=None)
def test_the_index_is_what_a_dict_would_be(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]], sizes: dict[str, Any]
) -> None:
    """Whatever is appended, switched, trimmed, merged and reopened, each key has its events; in order."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch, sizes)
        asyncio.run(compare(opener("sqlite", tmp_path_factory.mktemp("log")), steps))


def shrink(patch: pytest.MonkeyPatch, sizes: dict[str, Any]) -> None:
    """Makes everything so small that a few events exercise all of it; or all keys collide."""
    patch.setattr(sqlite_key_index, "RECENT_RECORDS", sizes["RECENT_RECORDS"])
    patch.setattr(sqlite_key_upkeep, "FANOUT", sizes["FANOUT"])
    patch.setattr(sqlite_key_upkeep, "SLICE_BYTES", sizes["SLICE_BYTES"])
    patch.setattr(sqlite_key_tables, "ROW_BYTES", sizes["ROW_BYTES"])
    patch.setattr(sqlite_key_reader, "RECORD_BYTES", sizes["RECORD_BYTES"])
    if sizes["COLLIDE"]:
        patch.setattr(key_places.xxhash, "xxh3_64_intdigest", lambda *_: 7 << 52 | 7)

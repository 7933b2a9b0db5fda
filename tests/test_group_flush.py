"""Writing down progress: nothing is lost when the disk fails, and nothing is written out of order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from gateway.groups import flush as module
from gateway.groups.flush import Flush
from gateway.groups.store import Write
from gateway.groups.values import Changes
from registry.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from gateway.groups.store import GroupStore


class Disk:
    """Takes writes like a store, and fails when it is told to: before or after it has stored them."""

    def __init__(self) -> None:
        self.stored: dict[str, list[int]] = {}
        self.saves = 0
        self.failing: list[str] = []

    async def save(self, writes: Sequence[Write]) -> None:
        """Stores positions, or fails."""
        self.saves += 1
        failing = self.failing.pop() if self.failing else ""
        await asyncio.sleep(0)
        if failing == "before":
            raise StorageFailed("log.db", "no space")
        for write in writes:
            self.stored.setdefault(write.group, []).append(write.changes.position)
        if failing == "after":
            raise StorageFailed("log.db", "no answer")


class Counter:
    """A group whose position rises, and that can be asked what changed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.position = 0
        self.told = 0
        self.failing = 0

    async def collect(self) -> Write | None:
        """Answers the position, if it changed."""
        await asyncio.sleep(0)
        if self.failing:
            self.failing -= 1
            raise StorageFailed("log.db", "an event that was given up can't be read")
        if self.told == self.position:
            return None
        self.told = self.position
        return Write(self.name, "", Changes(self.position, 0), ())


def as_store(disk: Disk) -> GroupStore:
    """The disk as the store that it stands for."""
    return disk  # type: ignore[return-value]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, 2)),
        st.tuples(st.just("fail"), st.sampled_from(["before", "after"])),
        st.tuples(st.just("mute"), st.integers(0, 2)),
        st.tuples(st.just("now"), st.none()),
        st.tuples(st.just("cancel"), st.integers(0, 6)),
    ),
    max_size=30,
)


@given(STEPS)
def test_what_changed_is_written_in_order_whatever_fails(steps: list[tuple[str, object]]) -> None:
    """However disk and groups fail, and whoever gives up waiting: in the end all is written, in order.

    When ``now`` answers without an error, what had changed before is on disk.
    """

    async def run() -> None:
        disk, groups = Disk(), [Counter(name) for name in "abc"]
        flush = Flush(as_store(disk))
        for step, argument in steps:
            if step == "fail":
                disk.failing.append(str(argument))
            elif step == "mute":
                groups[int(str(argument))].failing += 1
            elif step == "change":
                group = groups[int(str(argument))]
                group.position += 1
                flush.mark(group)
            elif step == "cancel":
                task = asyncio.ensure_future(flush.now())
                for _ in range(int(str(argument))):
                    await asyncio.sleep(0)
                task.cancel()
                with suppress(asyncio.CancelledError, StorageFailed):
                    await task
            else:
                with suppress(StorageFailed):
                    await flush.now()
                    assert {it.name: it.position for it in groups if it.position} == last(disk)
        disk.failing = []
        for group in groups:
            group.failing = 0
        await flush.now()
        assert {it.name: it.position for it in groups if it.position} == last(disk)
        for positions in disk.stored.values():
            assert positions == sorted(positions)

    asyncio.run(run())


def last(disk: Disk) -> dict[str, int]:
    """What was stored last of each group."""
    return {name: positions[-1] for name, positions in disk.stored.items()}


async def test_many_changes_are_few_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes are written behind everybody's back, those of a while together, and again after a failure."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    disk, groups = Disk(), [Counter(str(number)) for number in range(50)]
    disk.failing = ["before"] * 2
    flush = Flush(as_store(disk))
    running = asyncio.create_task(flush.run())
    loop = asyncio.get_running_loop()
    start, changed = loop.time(), 0
    while loop.time() < start + 0.5:
        changed += 1
        groups[changed % 50].position += 1
        flush.mark(groups[changed % 50])
        await asyncio.sleep(0.001)
    assert 3 <= disk.saves <= 2 + 2 + 0.5 / module.FLUSH_SECONDS
    async with asyncio.timeout(1):
        while last(disk) != {it.name: it.position for it in groups if it.position}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    running.cancel()


async def test_a_deleted_group_is_not_asked() -> None:
    """Of a group that is let go of nothing is written any more."""
    disk, group = Disk(), Counter("a")
    flush = Flush(as_store(disk))
    group.position = 1
    flush.mark(group)
    flush.forget(group)
    await flush.now()
    assert disk.saves == 0

"""The registry against its model: any steps in any order, and many at once."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.compat.promise import DEFAULT_PROMISE, Direction, Promise, Surface
from registry.errors import TidegateError
from registry.schema import Author, SchemaReference, SubjectMode
from tests.registries import opened
from tests.registry_model import VARIANTS, Model, Refused, candidate, reader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from registry.registry import Registry
    from registry.schema import SchemaVersion

FEW = settings(max_examples=max(settings().max_examples // 2, 1))
SOME_STEPS = settings(max_examples=max(settings().max_examples // 6, 1))
NAMES = "abc"
MODES = (*[SubjectMode.READ_WRITE] * 3, SubjectMode.READ_ONLY, SubjectMode.IMPORT)
PROMISES = (
    *[Promise(Direction.NONE, Surface.WIRE)] * 3,
    Promise(Direction.BACKWARD, Surface.WIRE),
    Promise(Direction.FULL, Surface.WIRE_JSON),
    Promise(Direction.FORWARD_TRANSITIVE, Surface.SOURCE),
)
Step = tuple[Any, ...]
pytestmark = pytest.mark.usefixtures("schemas_compiled_once")


async def act(real: Registry, step: Step, message: str = "") -> Any:
    """Does a step with the registry, and answers what it answers; of errors their reason."""
    kind, *rest = step
    author = Author(message=message)
    try:
        match kind:
            case "register":
                name, variant, references, version = rest
                sent = candidate(name, variant, references)
                made = await real.register(name, sent, version=version, author=author)
                return made.schema.version, made.created
            case "delete" | "purge":
                return await real.delete(*rest, purge=kind == "purge", author=author)
            case "restore":
                return (await real.restore(*rest, author=author)).latest_version
            case "update":
                name, promise, mode, blocks = rest
                await real.update_subject(
                    name, promise=promise, mode=mode, block_on_readers=blocks, author=author
                )
            case "default":
                await real.update_defaults(*rest, author)
    except TidegateError as error:
        return error.reason


def foresee(model: Model, step: Step) -> Any:
    """Does a step with the model."""
    kind, *rest = step
    try:
        match kind:
            case "register":
                return model.register(*rest)
            case "delete" | "purge":
                return model.delete(*rest, purge=kind == "purge")
            case "restore":
                return model.restore(*rest)
            case "update":
                name, promise, mode, blocks = rest
                model.update(name, promise, mode, blocks=blocks)
            case "default":
                model.update_default(*rest)
    except Refused as error:
        return error.reason


def use(model: Model, step: Step) -> None:
    """Begins or ends to need something, as those above the registry do: only what is there."""
    uses = model.uses
    match step:
        case "topic", name, of:
            lineage = model.subjects.get(name)
            types = (f"{name}.{of}",) if of else ()
            live = lineage.live() if lineage else []
            if live and set(types) <= set(live[-1].compiled.types):
                uses.accepted[f"t.{name}"] = (name, types)
        case "no topic", name:
            if not uses.stored_now(name, 0):
                uses.accepted.pop(f"t.{name}", None)
        case "event", name, version:
            lineage = model.subjects.get(name)
            if f"t.{name}" in uses.accepted and lineage and version in {it.number for it in lineage.live()}:
                uses.events.add((name, version))
        case "no event", name, version:
            uses.events.discard((name, version))
        case "reader", name, version, alive:
            uses.reading.append(reader(name, version, alive=alive))


def changes(model: Model) -> st.SearchStrategy[Step]:
    """Draws a change that has some prospect of doing something in the state that the model is in."""
    names = st.sampled_from(NAMES)
    known = [(name, number) for name, it in model.subjects.items() for number in (0, *it.versions)]
    some = st.sampled_from(known or [("a", 0), ("b", 1)])
    settings_ = (st.one_of(st.none(), st.sampled_from(PROMISES)), st.sampled_from(MODES), st.booleans())
    register = names.flatmap(lambda name: registrations(model, name))
    return st.one_of(
        *[register] * 4,
        st.tuples(st.just("delete"), some),
        st.tuples(st.sampled_from(("purge", "restore")), some),
        st.tuples(st.just("update"), names, *settings_),
        st.tuples(st.just("default"), st.sampled_from(PROMISES)),
    ).map(flat)


def registrations(model: Model, name: str) -> st.SearchStrategy[Step]:
    live = [
        SchemaReference(other, it.number)
        for other, found in model.subjects.items()
        for it in found.live()
        if other != name
    ]
    anything = st.builds(SchemaReference, st.sampled_from(NAMES), st.integers(1, 3))
    some = st.sampled_from(live) if live else anything
    referred = st.lists(st.one_of(some, some, anything), max_size=2, unique_by=lambda it: it.subject)
    return st.tuples(
        st.just("register"),
        st.just(name),
        st.sampled_from(sorted(VARIANTS)),
        st.one_of(st.just(()), referred.map(tuple)),
        st.sampled_from([0] * 8 + [model.highest.get(name, 0) + 2]),
    )


def uses(model: Model) -> st.SearchStrategy[Step]:
    """Draws what begins or ends to need something."""
    names = st.sampled_from(NAMES)
    known = [(name, it) for name, found in model.subjects.items() for it in found.versions] or [("a", 1)]
    some = st.sampled_from(known)
    return st.one_of(
        st.tuples(st.just("topic"), names, st.sampled_from(["", "M", "N"])),
        st.tuples(st.just("no topic"), names),
        st.tuples(st.sampled_from(("event", "no event")), some),
        st.tuples(st.just("reader"), some, st.booleans()),
        st.tuples(st.just("reopen")),
    ).map(flat)


def flat(step: Step) -> Step:
    """Answers a step without the pairs of subject and version that it was drawn from."""
    kind, *rest = step
    pairs = [it if isinstance(it, tuple) and kind != "register" else (it,) for it in rest]
    return (kind, *(each for pair in pairs for each in pair))


async def require_equal(real: Registry, model: Model) -> None:
    """Everything that the registry shows is what the model holds."""
    listed = await real.list_subjects(after="", limit=9, show_deleted=True)
    assert {it.name for it in listed} == set(model.subjects)
    assert await real.defaults() == model.default
    for subject in listed:
        lineage = model.subjects[subject.name]
        assert (subject.promise, subject.mode) == (lineage.promise, lineage.mode)
        assert subject.block_on_readers == lineage.blocks
        assert (subject.delete_time is not None) == lineage.hidden
        assert (subject.latest_version, subject.highest_version) == (
            lineage.latest,
            model.highest.get(subject.name, 0),
        )
        versions = await real.list_versions(subject.name, after=0, limit=99, show_deleted=True)
        assert [facts(it) for it in versions] == [
            (number, it.compiled.types, it.references, bool(it.hidden))
            for number, it in sorted(lineage.versions.items())
        ]
        for number, version in lineage.versions.items():
            whole = await real.get(subject.name, number)
            assert whole.descriptor_set == version.compiled.descriptor_set
    recorded = [(it.kind.value, it.subject, it.version) for it in await every_change(real)]
    assert recorded == model.record


def facts(schema: SchemaVersion) -> Step:
    return schema.version, schema.types, schema.references, schema.delete_time is not None


async def every_change(real: Registry) -> list[Any]:
    return list(reversed(await real.changes(before=2**62, limit=999)))


@SOME_STEPS
@given(data=st.data())
def test_the_registry_is_its_model(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any run of registrations, references, settings, deletions and restarts does what the model does."""
    asyncio.run(follow(data, tmp_path_factory.mktemp("model") / "log.db"))


async def follow(data: st.DataObject, path: Path) -> None:
    model = Model(default=data.draw(st.sampled_from(PROMISES)))
    left = data.draw(st.integers(0, 40))
    async with opened(path, model.uses) as real:
        await real.update_defaults(model.default)
    model.record = [] if model.default == DEFAULT_PROMISE else [("CONFIGURE", "", 0)]
    while left:
        async with opened(path, model.uses) as real:
            await require_equal(real, model)
            while left:
                left -= 1
                step = data.draw(st.one_of(changes(model), changes(model), uses(model)))
                if step == ("reopen",):
                    break
                use(model, step)
                assert (step, await act(real, step)) == (step, foresee(model, step))
            await require_equal(real, model)


@SOME_STEPS
@given(data=st.data(), two=st.booleans())
def test_steps_at_once_are_as_if_one_after_the_other(
    data: st.DataObject,
    two: bool,  # noqa: FBT001 - a hypothesis argument
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whatever is done at once, through one registry or two, has outcomes that some order explains."""
    asyncio.run(at_once(data, tmp_path_factory.mktemp("model") / "log.db", two=two))


async def at_once(data: st.DataObject, path: Path, *, two: bool) -> None:
    model = Model()
    async with opened(path, model.uses) as one, opened(path, model.uses) as other:
        for _ in range(data.draw(st.integers(0, 12))):
            step = data.draw(changes(model))
            assert await act(one, step) == foresee(model, step)
        steps = data.draw(st.lists(changes(model), min_size=2, max_size=10))
        doing = [
            act(other if two and index % 2 else one, step, str(index)) for index, step in enumerate(steps)
        ]
        outcomes = dict(enumerate(await asyncio.gather(*doing)))
        made = (await every_change(one))[len(model.record) :]
        states = [model]
        for index in (int(change.author.message) for change in made):
            states.append(states[-1].copied())
            assert (steps[index], foresee(states[-1], steps[index])) == (steps[index], outcomes.pop(index))
            assert len(states[-1].record) == len(states[-2].record) + 1
        for index, outcome in outcomes.items():
            assert any(
                changes_nothing(states[: end + 1], steps[index], outcome) for end in range(len(states))
            )
        await require_equal(other, states[-1])


def changes_nothing(states: Sequence[Model], step: Step, outcome: Any) -> bool:
    """Tells whether a step that is begun in some of the states and ends in the last one can end so."""
    last = states[-1].copied()
    if foresee(last, step) == outcome:
        return last.record == states[-1].record
    if step[0] != "register":
        return False
    # A schema is compiled first, and placed when it is its turn.
    prepared = (prepare(state, step) for state in states)
    return any(compiled and place(states[-1], step, compiled) == outcome for compiled in prepared)


def prepare(model: Model, step: Step) -> Any:
    with suppress(Refused):
        return model.prepare(*step[1:4])


def place(model: Model, step: Step, compiled: Any) -> Any:
    _, name, _, references, version = step
    try:
        return model.copied().place(name, compiled, references, version)
    except Refused as error:
        return error.reason


async def test_a_damaged_record_would_be_noticed(tmp_path: Path) -> None:
    """The comparison with the model does see what is wrong: a version too many, a record too few."""
    model = Model()
    step = ("register", "a", "int", (), 0)
    async with opened(tmp_path / "log.db", model.uses) as real:
        assert await act(real, step) == foresee(model, step) == (1, True)
        await require_equal(real, model)
        with sqlite3.connect(tmp_path / "log.db") as connection:
            connection.execute("DELETE FROM schema_changes")
        connection.close()
        with pytest.raises(AssertionError):
            await require_equal(real, model)

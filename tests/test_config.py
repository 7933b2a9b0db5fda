"""Settings: read from a file, refused by name, and described in the operator's guide."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import MIB, Config, InvalidConfig, load_config

GUIDE = Path(__file__).parent.parent / "docs" / "operations.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"
FIELDS = {field.name: field for field in dataclasses.fields(Config)}


def meanings() -> dict[str, str]:
    """From setting to its meaning, as the docstring of ``Config`` has it."""
    attributes = inspect.cleandoc(Config.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE)
    return {name: " ".join(text.split()).replace("``", "`") for name, text in found}


def shown(default: object) -> str:
    """A default as it is written in TOML."""
    return f'"{default}"' if isinstance(default, str) else f"{default:_}".removesuffix(".0")


def settings_table() -> str:
    """The table of settings in Markdown."""
    rows = [
        f"| `{name}` | `{shown(FIELDS[name].default)}` | {meaning} |" for name, meaning in meanings().items()
    ]
    return "\n".join(["| setting | default | meaning |", "| --- | --- | --- |", *rows]) + "\n"


def test_the_guide_has_the_table_of_settings() -> None:
    """docs/operations.md lists each setting with the default and meaning that the code has."""
    assert list(meanings()) == list(FIELDS)
    table = GUIDE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()
    assert table == settings_table().strip(), f"the table should be:\n{settings_table()}"


def test_there_are_at_most_twenty_settings() -> None:
    """A gateway has at most twenty settings: another one must be worth one of these."""
    assert len(FIELDS) <= 20


def test_a_file_and_what_is_put_on_top(tmp_path: Path) -> None:
    """Settings come from the file, those of the command line go first, the others have their defaults."""
    file = tmp_path / "tidegate.toml"
    file.write_text('listen = "127.0.0.1:1"\nmax_topics = 7\ndrain_seconds = 3\n')
    config = load_config(file, listen="127.0.0.1:2", engine=None)
    assert (config.listen, config.max_topics, config.drain_seconds) == ("127.0.0.1:2", 7, 3)
    assert config == dataclasses.replace(Config(), listen="127.0.0.1:2", max_topics=7, drain_seconds=3)
    assert load_config(None) == Config()


def refusal(tmp_path: Path, text: str) -> str:
    file = tmp_path / "tidegate.toml"
    file.write_text(text)
    with pytest.raises(InvalidConfig) as caught:
        load_config(file)
    return str(caught.value)


def test_unknown_settings_are_refused_by_name(tmp_path: Path) -> None:
    """A setting that there is not is refused, with its name and those that there are."""
    message = refusal(tmp_path, "max_topic = 3")
    assert "'max_topic'" in message
    assert "max_topics" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('max_topics = "3"', ["max_topics", "'3'", "int"]),
        ("max_topics = 3.0", ["max_topics", "int"]),
        ("max_topics = true", ["max_topics", "int"]),
        ("listen = 7420", ["listen", "str"]),
        ("[engine]\nurl = 1", ["engine", "str"]),
        ("max_topics = 0", ["max_topics", "above 0"]),
        ("tail_bytes = -1", ["tail_bytes", "above 0"]),
        ("drain_seconds = nan", ["drain_seconds", "above 0"]),
        ("drain_seconds = inf", ["drain_seconds", "finite"]),
        (f"max_batch_bytes = {3 * MIB + 1}", ["max_batch_bytes", "3 MiB"]),
        (f"max_request_bytes = {60 * MIB + 1}", ["max_request_bytes", "60 MiB"]),
        ('log_level = "loud"', ["log_level", "'loud'", "debug, info, warning, error"]),
        ('log_format = "xml"', ["log_format", "'xml'", "auto, console, json"]),
        ('listen = "7420"', ["listen", "HOST:PORT"]),
        ('listen = ":7420"', ["listen", "HOST:PORT"]),
        ('listen = "localhost:65536"', ["listen", "HOST:PORT"]),
        ('engine = "postgres://x"', ["engine", "'postgres://x'", "sqlite:///ABSOLUTE/PATH"]),
        ('engine = "sqlite://relative/path"', ["engine", "sqlite:RELATIVE/PATH"]),
        ('engine = "sqlite:"', ["engine", "sqlite:RELATIVE/PATH"]),
        ("max_topics = ]", ["tidegate.toml", "line 1"]),
    ],
)
def test_wrong_values_are_refused_by_name(tmp_path: Path, text: str, words: list[str]) -> None:
    """A setting of a wrong type or value is refused, with its name, the value and what it may be."""
    message = refusal(tmp_path, text)
    for word in words:
        assert word in message


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    """A file that can't be read is refused with its name."""
    with pytest.raises(InvalidConfig, match=r"missing\.toml"):
        load_config(tmp_path / "missing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidConfig, match=r"binary\.toml"):
        load_config(tmp_path / "binary.toml")


@pytest.mark.parametrize(
    ("engine", "path"),
    [
        ("sqlite:///var/lib/log.db", "/var/lib/log.db"),
        ("sqlite:log.db", "log.db"),
        ("sqlite:a/b.db", "a/b.db"),
        ("sqlite:///with%20space.db", "/with space.db"),
    ],
)
def test_an_engine_names_its_file(engine: str, path: str) -> None:
    """An engine's URL names a file, absolute or relative to where the gateway runs."""
    assert Config(engine=engine).engine_path() == Path(path)


_NUMBERS = [name for name, field in FIELDS.items() if isinstance(field.default, int)]


@given(st.sampled_from(_NUMBERS), st.integers())
def test_any_number_is_taken_or_refused_by_name(name: str, value: int) -> None:
    """Every number either makes a gateway's setting or is refused with the setting's name."""
    if 0 < value <= 3 * MIB:
        assert getattr(load_config(None, **{name: value}), name) == value
    elif value <= 0:
        with pytest.raises(InvalidConfig, match=name):
            load_config(None, **{name: value})

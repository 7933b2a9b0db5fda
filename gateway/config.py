"""The settings of a gateway: one table of fields, each with its default and meaning.

``docs/operations.md`` carries the same table; a test holds the two equal. Imports nothing of Tidegate.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

KIB = 1024
MIB = 1024 * KIB


_MOST = {"max_request_bytes": 60, "max_batch_bytes": 3, "max_schema_bytes": 60}
"""Where a setting can't be more than so many MiB."""


class InvalidConfig(ValueError):
    """A setting is unknown or has a value that it can't have. ``str()`` names it and says what it may be."""


@dataclass(frozen=True, slots=True)
class Config:
    """How a gateway runs. Sizes are bytes, times are seconds.

    Attributes:
        listen: Address to listen on, ``HOST:PORT``; port 0 takes a free one.
        engine: What stores the log: ``sqlite:///absolute/path`` or ``sqlite:relative/path``.
        max_request_bytes: A publish request. At most 60 MiB.
        max_batches: Batches of a publish request, and likewise the positions that it expects.
        max_batch_bytes: A batch. At most 3 MiB, so that each delivered frame fits a default client.
        max_batch_events: Events of a batch.
        max_id_bytes: An event's id.
        max_key_bytes: An event's key, and a batch's source.
        max_attributes_bytes: An event's attributes, encoded.
        max_topics: Topics of the deployment.
        max_subscription_topics: Topics and patterns of one subscription, and likewise its types.
        max_streams: Streams that are open at once: of events, and checks of schemas.
        max_pending_bytes: Publish requests that are checked and stored at once, over all callers; what is
            above waits its turn.
        max_waiting_bytes: Publish requests that wait their turn, over all callers; what is above is refused.
        max_schema_bytes: A schema, as sources or as a descriptor set. At most 60 MiB.
        reader_alive_seconds: How long a reader counts as alive after it was connected.
        tail_bytes: Recent batches kept in memory for live readers.
        drain_seconds: How long a stopping gateway waits for what is under way.
        log_level: ``debug``, ``info``, ``warning`` or ``error``.
        log_format: ``console``, ``json``, or ``auto``: console on a terminal.
    """

    listen: str = "127.0.0.1:7420"
    engine: str = "sqlite:tidegate.db"
    max_request_bytes: int = 4 * MIB
    max_batches: int = 1_000
    max_batch_bytes: int = 1 * MIB
    max_batch_events: int = 10_000
    max_id_bytes: int = 1 * KIB
    max_key_bytes: int = 1 * KIB
    max_attributes_bytes: int = 16 * KIB
    max_topics: int = 10_000
    max_subscription_topics: int = 100
    max_streams: int = 2_000
    max_pending_bytes: int = 64 * MIB
    max_waiting_bytes: int = 256 * MIB
    max_schema_bytes: int = 10 * MIB
    reader_alive_seconds: int = 86_400
    tail_bytes: int = 32 * MIB
    drain_seconds: float = 10.0
    log_level: str = "info"
    log_format: str = "auto"

    def __post_init__(self) -> None:
        """Refuses values that can't work.

        Raises:
            InvalidConfig: Naming the setting and what it may be.
        """
        _one_of("log_level", self.log_level, ("debug", "info", "warning", "error"))
        _one_of("log_format", self.log_format, ("auto", "console", "json"))
        host, colon, port = self.listen.rpartition(":")
        if not (host and colon and port.isdecimal() and int(port) < 65_536):
            raise InvalidConfig(f"listen = {self.listen!r}: must be HOST:PORT, such as 127.0.0.1:7420")
        self.engine_path()
        for setting in fields(self):
            value = getattr(self, setting.name)
            if isinstance(value, (int, float)) and not 0 < value < math.inf:
                raise InvalidConfig(f"{setting.name} = {value!r}: must be above 0 and finite")
        for name, most in _MOST.items():
            if getattr(self, name) > most * MIB:
                raise InvalidConfig(f"{name} = {getattr(self, name)}: at most {most * MIB} ({most} MiB)")

    def engine_path(self) -> Path:
        """Answers the file of a ``sqlite:`` engine.

        Raises:
            InvalidConfig: The engine is none that this gateway has.
        """
        scheme, _, rest = self.engine.partition(":")
        path = unquote(rest.removeprefix("//"))
        if scheme != "sqlite" or not path or (rest.startswith("//") and not path.startswith("/")):
            raise InvalidConfig(
                f"engine = {self.engine!r}: must be sqlite:///ABSOLUTE/PATH or sqlite:RELATIVE/PATH"
            )
        return Path(path)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidConfig(f"{name} = {value!r}: must be one of {', '.join(allowed)}")


def load_config(path: Path | None, **overrides: Any) -> Config:
    """Reads a TOML file of settings, if one is given, and puts ``overrides`` that are not None on top.

    Raises:
        InvalidConfig: The file can't be read or is no TOML, a setting is unknown, or a value is wrong.
    """
    settings = _read(path) if path else {}
    settings |= {name: value for name, value in overrides.items() if value is not None}
    kinds = {setting.name: type(setting.default) for setting in fields(Config)}
    for name, value in settings.items():
        if name not in kinds:
            raise InvalidConfig(f"there is no setting {name!r}; there are {', '.join(sorted(kinds))}")
        if type(value) is not kinds[name] and not (kinds[name] is float and type(value) is int):
            raise InvalidConfig(f"{name} = {value!r}: must be of type {kinds[name].__name__}")
    return replace(Config(), **settings)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidConfig(f"{path}: {error}") from error

"""The contract's own .proto files as text, for those who make stubs."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import tidegate.v1

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

FOLDER = "tidegate/v1"
"""Where the files are, as others import them."""
_FOR_TYPED_STREAMS = ("error", "event", "event_service", "schema", "subscription")


@cache
def contract_files() -> Mapping[str, str]:
    """Answers the files that typed services import, directly and further on, by name.

    Raises:
        FileNotFoundError: The installation is not complete.
    """
    folder = _folder()
    return {
        f"{FOLDER}/{name}.proto": (folder / f"{name}.proto").read_text(encoding="utf-8")
        for name in _FOR_TYPED_STREAMS
    }


def _folder() -> Traversable:
    """Answers where the files are: beside the stubs if installed; in a checkout under ``proto/``."""
    installed = files(tidegate.v1)
    if (installed / "event.proto").is_file():
        return installed
    return Path(str(tidegate.v1.__file__)).parents[4] / "proto" / FOLDER

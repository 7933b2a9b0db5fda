"""Pages of listings: sizes and tokens."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, TypeVar

from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

DEFAULT_PAGE, MAX_PAGE = 100, 1_000
PAGE_BYTES = 3 * 1024 * 1024
"""How large a page becomes, besides an item that is larger by itself: default clients take 4 MiB."""
_T = TypeVar("_T", bound="Message")


def page_size(asked: int) -> int:
    """Answers how many items a page has: 100 if nothing was asked for, at most 1,000."""
    return min(asked, MAX_PAGE) if asked else DEFAULT_PAGE


def fill_page(items: Iterable[_T], size: int, room: int = PAGE_BYTES) -> list[_T]:
    """Answers the first ``size`` items at most, and no more than fit ``room`` bytes; but at least one."""
    page: list[_T] = []
    for item in items:
        room -= item.ByteSize() + 5
        if len(page) == size or (page and room < 0):
            break
        page.append(item)
    return page


def make_token(last: str) -> str:
    """Answers the token of the page behind the item ``last``."""
    return base64.urlsafe_b64encode(f"after:{last}".encode()).decode()


def read_token(token: str) -> str:
    """Answers the item that a page begins behind, empty for the first page.

    Raises:
        InvalidRequest: The token is none that ``make_token`` made.
    """
    if not token:
        return ""
    try:
        kind, _, last = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
    except (binascii.Error, UnicodeError) as error:
        raise InvalidRequest("page_token", "must be a next_page_token of an earlier answer") from error
    if kind != "after":
        raise InvalidRequest("page_token", "must be a next_page_token of an earlier answer")
    return last


def read_number(token: str) -> int:
    """Answers the number that a page begins behind, 0 for the first page.

    Raises:
        InvalidRequest: The token is none that ``make_token`` made of a number.
    """
    last = read_token(token) or "0"
    if not (last.isascii() and last.isdecimal() and len(last) < 19):
        raise InvalidRequest("page_token", "must be a next_page_token of an earlier answer")
    return int(last)

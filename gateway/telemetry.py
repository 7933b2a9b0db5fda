"""Structured logs: one event a line on stderr, coloured for people, JSON for programs."""

from __future__ import annotations

import io
import logging
import sys
from typing import TextIO, cast

import structlog


class SteadyStream(io.TextIOBase):
    """A stream of log lines that never fails whoever logs, though the one behind it may.

    Its disk may be full, or its reader gone: that must not fail the call that a line is about. Lines that
    could not be written are counted, and the count is the first that is written when it works again.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = 0

    def write(self, line: str) -> int:
        """Writes a line, or counts it as lost."""
        note = f"{self._lost} lines of this log could not be written\n" if self._lost else ""
        try:
            self._stream.write(note + line)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: it is closed
            self._lost += 1
        else:
            self._lost = 0
        return len(line)


def set_up_logging(level: str, log_format: str) -> None:
    """Sets up the process's logs.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        log_format: ``console``, ``json``, or ``auto``: console on a terminal.
    """
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    processors = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([] if console else [structlog.processors.format_exc_info]),
        renderer,
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", SteadyStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )

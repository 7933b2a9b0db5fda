"""The process in which a schema is tried on stored events.

Run by ``trial_process`` as ``python -P -m registry.checking.trial_worker``. A schema that nobody has accepted
yet can make parsers and rules crash, loop or swell; here that ends this process and no other. It yields the
processor to everybody else. What it is told comes over its standard input, what it answers goes there, too:
a socket, on which every message stands behind its length in four bytes. It is told

1. what it may take, and the event types, as JSON; the schema's descriptors;
2. runs of batches: the event type and the number of events as JSON, and the entries. It answers each with
   an empty message once it is through;
3. an empty message. It answers the report and ends.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from registry.checking.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTH: Final = struct.Struct("<I")


def main() -> None:
    """Serves the socket that is the standard input, until the report is asked for or nobody is there."""
    with socket.socket(fileno=0) as pipe, pipe.makefile("rb") as told, suppress(EOFError, BrokenPipeError):
        _serve(lambda: _read(told.read), lambda data: pipe.sendall(LENGTH.pack(len(data)) + data))


def _serve(read: Callable[[], bytes], answer: Callable[[bytes], None]) -> None:
    settings = json.loads(read())
    _limit_process(settings["niceness"], settings["memory_bytes"])
    seconds = settings["step_seconds"]
    _restart_clock(seconds)
    trial = Trial(read(), settings["types"])
    while run := read():
        type_name, count = json.loads(run)
        for _ in trial.take(type_name, count, read()):
            _restart_clock(seconds)
        answer(b"")
    answer(trial.report().to_json())


def _limit_process(niceness: int, memory_bytes: int) -> None:
    os.nice(niceness)
    for kind, amount in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CORE, 0)):
        # macOS knows no RLIMIT_AS; the other limits still hold there.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (amount, amount))


def _restart_clock(seconds: float) -> None:
    """Ends this process by SIGPROF if it uses so many seconds of processor time without coming here again."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _read(read: Callable[[int], bytes]) -> bytes:
    (length,) = LENGTH.unpack(_exactly(read, LENGTH.size))
    return _exactly(read, length)


def _exactly(read: Callable[[int], bytes], length: int) -> bytes:
    data = read(length)
    if len(data) < length:
        raise EOFError
    return data


if __name__ == "__main__":
    main()

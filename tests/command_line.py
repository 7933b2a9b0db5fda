"""Runs the command ``tidegate`` in processes of its own, as a shell would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[1] / "examples" / "flights"
TIDEGATE = (sys.executable, "-m", "tidegate.cli")
SECONDS = 60


def departure(number: int, **changes: Any) -> dict[str, Any]:
    """The data of an event, as ProtoJSON with the field names of the schema."""
    return {
        "carrier": "UA",
        "flight": number,
        "origin": "EWR",
        "destination": "IAH",
        "scheduled": "2013-01-01T10:15:00Z",
        "delay_minutes": -3,
        "distance_miles": 1400,
    } | changes


def json_lines(*values: Any) -> str:
    """The values as JSON lines."""
    return "".join(json.dumps(value) + "\n" for value in values)


def run_tidegate(*arguments: str | Path, **settings) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end; ``stdin`` is text, ``cwd`` a folder, all else environment variables."""
    stdin, cwd = settings.pop("stdin", ""), settings.pop("cwd", None)
    return subprocess.run(
        [*TIDEGATE, *map(str, arguments)],
        input=stdin,
        cwd=cwd,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@contextmanager
def start_tidegate(*arguments: str | Path, **settings) -> Iterator[subprocess.Popen[str]]:
    """Starts a command with pipes for its streams; it is ended with the context, or after a minute."""
    with _start(*arguments, **settings) as process:
        # What waits for a line of a process that says nothing more ends with it.
        watchdog = threading.Timer(SECONDS, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()


@contextmanager
def serving(*arguments: str | Path) -> Iterator[str]:
    """Runs a gateway as ``tidegate serve`` does; answers its address. It must end well on Ctrl-C."""
    with _start("serve", "--listen", "127.0.0.1:0", *arguments, stderr=subprocess.DEVNULL) as process:
        ready = process.stdout.readline()
        assert " ready on " in ready, ready
        yield ready.split(" ready on ")[1].split(",")[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0


@contextmanager
def _start(*arguments: str | Path, **settings) -> Iterator[subprocess.Popen[str]]:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen([*TIDEGATE, *map(str, arguments)], text=True, **pipes | settings)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
            with suppress(BrokenPipeError):
                stream.close()

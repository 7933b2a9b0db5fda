"""The demo, as ``make demo`` runs it: on the week that is shipped, with plain output."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

import pytest

DEMO = Path(__file__).parents[1] / "examples" / "flights" / "demo.py"
SECONDS = 110


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo, running; its temporary files are below ``tmp_path``."""
    process = subprocess.Popen(
        [sys.executable, str(DEMO)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.terminate()  # it ends its own processes, also after a test that failed
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def processes_that_name(what: Path | str) -> list[str]:
    """The command lines of running processes that have to do with a folder or an address."""
    found = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if str(what) in line]


def number(text: str) -> int:
    """A number as the demo writes it."""
    return int(text.replace(",", ""))


def test_the_demo_shows_what_it_promises(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    """Consumers count what the file says, a bad event is refused, versions are mixed, workers share."""
    shown = demo.communicate(timeout=SECONDS)[0]
    assert demo.returncode == 0, shown
    assert "flights version 1: flights.v1.Cancelled, flights.v1.Departed" in shown
    for counted in ("client library", "stubs only"):
        assert re.search(rf"^{counted} +6,099 of 6,099$", shown, re.MULTILINE)
    assert re.search(r"^from a time +3,050 of 3,050$", shown, re.MULTILINE)
    assert re.search(r"JetBlue Airways +962 +\+10\.9 +962 +\+10\.9 +417 +\+12\.3", shown)
    assert re.search(
        r"rejected, INVALID_EVENT +batches\[0\]\.events\[1\]\.data\.distance_miles: .* \[uint32\.gt\]", shown
    )
    assert re.search(r"^read, version 1 .*\"distance_miles\": \d+}$", shown, re.MULTILINE)
    assert re.search(r"^read, version 2 .*\"arrival_delay_minutes\": -?\d+}$", shown, re.MULTILINE)
    killed = re.search(r"^worker 1 killed +by SIGKILL, after ([\d,]+) flights of both$", shown, re.MULTILINE)
    assert killed is not None
    assert number(killed[1]) >= 3_049
    first, second = re.findall(r"^worker [12] +([\d,]+) of 6,099$", shown, re.MULTILINE)
    twice = re.search(r"^dealt with twice +(\d+): worker 1 was killed before", shown, re.MULTILINE)
    assert twice is not None
    assert number(first) + number(second) - number(twice[1]) == 6_098
    assert re.search(r"^dead letter +MQ3944, 2 attempts, LookupError: .* 14 hours", shown, re.MULTILINE)
    assert "6,098 flights dealt with, 1 given up, 0 unsettled; in the file 6,099 flights" in shown
    assert re.search(r"^ +equal +equal +equal *$", shown, re.MULTILINE)
    assert "in the log                6,099 events; in the file 6,099 flights" in shown
    assert "\x1b" not in shown
    assert list(tmp_path.glob("tidegate-demo-*")) == []


@pytest.mark.parametrize("moment", ["stubs generated", "worker 1 killed"])
def test_an_interrupted_demo_leaves_nothing_behind(
    demo: subprocess.Popen[str], tmp_path: Path, moment: str
) -> None:
    """Ctrl-C in the middle ends it with 130, without a traceback, and with its processes and files."""
    address = ""
    for line in demo.stdout:
        if ready := re.match(r"gateway ready +on (\S+),", line):
            address = ready[1]
        if line.startswith(moment):
            break
    assert processes_that_name(tmp_path)
    demo.send_signal(signal.SIGINT)
    assert "Traceback" not in demo.communicate(timeout=SECONDS)[0]
    assert demo.returncode == 130
    assert list(tmp_path.glob("tidegate-demo-*")) == []
    assert processes_that_name(tmp_path) == []
    assert processes_that_name(address) == []

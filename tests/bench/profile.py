"""Where a gateway's time goes: which functions hold the interpreter's lock, as py-spy samples them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import throughput
from tests.bench.processes import SideFailed
from tests.bench.report import Row
from tests.bench.servers import gateway_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.servers import Place, Server

SAMPLES_A_SECOND = 200
SHOWN = 15
"""Functions, those with the most samples."""
_SETTLING = 2.0
"""Seconds that publishing goes on besides the sampling, so that all of the samples are under load."""


def measure(place: Place, seconds: float) -> Iterator[Row]:
    """Samples a gateway under load, with one event a message and in batches of 1,000.

    Raises:
        SideFailed: There is no py-spy, or it may not read the process.
    """
    if not shutil.which("py-spy"):
        raise SideFailed("py-spy is not installed: `pip install py-spy`, and put it on the PATH")
    for case in throughput.CASES:
        if case.name in ("one event a message", "batches of 1,000"):
            with gateway_server(place) as gateway:
                throughput.run(gateway, case, 1.0)
                yield from _rows(case.name, _sample(gateway, case, seconds), seconds)


def _sample(gateway: Server, case: throughput.Case, seconds: float) -> Counter[str]:
    """Counts, by function, the samples in which it held the lock."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "samples"
        command = ["py-spy", "record", "--gil", "--function", "--format", "raw", "--output", str(file)]
        amount = [
            "--pid",
            str(gateway.side.pid),
            "--duration",
            f"{seconds:.0f}",
            "--rate",
            str(SAMPLES_A_SECOND),
        ]
        with subprocess.Popen(
            [*command, *amount], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as sampler:
            throughput.run(gateway, case, seconds + _SETTLING)
            _, complaint = sampler.communicate(timeout=60)
        if not file.exists():
            raise SideFailed(f"py-spy: {complaint}")
        counted: Counter[str] = Counter()
        for line in file.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            counted[stack.rpartition(";")[2]] += int(count)
        return counted


def _rows(case: str, samples: Counter[str], seconds: float) -> Iterator[Row]:
    part = f"Profile, {case}: who holds the interpreter's lock"
    in_all = seconds * SAMPLES_A_SECOND / 100
    yield Row(part, "anyone", "% of the time", samples.total() / in_all)
    for function, count in samples.most_common(SHOWN):
        yield Row(part, function, "%", count / in_all)

"""The README's tour, run as a new user would type it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SERVE = r"""
tidegate serve --listen 127.0.0.1:0 > serve.log 2>&1 &
until grep -q ready serve.log; do sleep 0.05; done
export TIDEGATE_SERVER=$(sed -n 's/.*ready on \([^,]*\),.*/\1/p' serve.log)
"""


def tour() -> list[tuple[str, str]]:
    """The kinds and texts of the README's code blocks."""
    return _BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))


def session() -> str:
    """One shell session of all blocks, on a free port; it marks where each begins."""
    parts = ["exec 2>&1; trap 'kill %1' EXIT"]
    for number, (kind, text) in enumerate(tour()):
        parts.append(f"echo '=== {number}'")
        if kind == "sh":
            here = text.replace("tidegate serve &\n", _SERVE)
            parts.append(here.replace("kill %1\n", "kill %1; wait %1\n"))
        elif kind == "python":
            code = text.replace('"127.0.0.1:7420"', '__import__("os").environ["TIDEGATE_SERVER"]')
            parts.append(f"python - <<'PYTHON_END'\n{code}PYTHON_END")
    return "\n".join(parts)


@pytest.fixture
def said(tmp_path: Path) -> dict[int, str]:
    """What each block of the tour printed, by its number."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", session()],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        text=True,
        timeout=100,
        check=False,
    )
    pieces = re.split(r"^=== (\d+)\n", done.stdout, flags=re.MULTILINE)
    return {int(number): text for number, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def test_the_tour_does_what_it_shows(said: dict[int, str]) -> None:
    """Every command of the README works as typed, and prints what stands below it."""
    shown = [(number, text) for number, (kind, text) in enumerate(tour()) if kind == "text"]
    assert len(shown) >= 5
    for number, text in shown:
        for line in text.splitlines():
            pattern = ".*".join(re.escape(part) for part in line.split("…"))
            found = said[number - 1]
            assert re.search(f"^{pattern}$", found, re.MULTILINE), f"shown: {line}\nprinted: {found}"
    assert "Traceback" not in "".join(said.values())

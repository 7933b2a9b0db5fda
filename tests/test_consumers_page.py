"""The programs of docs/consumers.md run as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.command_line import run_tidegate, serving

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).parents[1] / "docs" / "consumers.md"
SCHEMA = """
syntax = "proto3";
package shop.v1;
message OrderPlaced { string order_id = 1; string customer = 2; int64 amount_cents = 3; }
"""
ORDERS = [("ann", "A1", 1_250), ("bob", "A2", 99), ("ann", "A3", 2_000_000)]


def test_the_programs_do_what_the_page_says(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Projection, worker pool and dashboard run; the first one twice, with the effect of once."""
    (tmp_path / "shop.proto").write_text(SCHEMA)
    programs = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with serving("--engine", f"sqlite:{tmp_path}/log.db") as address:

        def tidegate(*arguments: object, **options: object) -> str:
            done = run_tidegate("--server", address, *arguments, **options)
            assert done.returncode == 0, done.stderr
            return done.stdout

        tidegate("schema", "register", "shop", tmp_path / "shop.proto")
        tidegate("topic", "create", "shop.orders", "--subject", "shop")
        lines = "".join(
            json.dumps({"key": name, "data": {"order_id": order, "customer": name, "amount_cents": cents}})
            + "\n"
            for name, order, cents in ORDERS
        )
        tidegate("publish", "shop.orders", "--type", "shop.v1.OrderPlaced", "--envelope", stdin=lines)

        def run(program: str) -> str:
            done = subprocess.run(
                [sys.executable, "-c", program],
                cwd=tmp_path,
                env={**os.environ, "TIDEGATE_SERVER": address},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        projection, pool, dashboard = programs
        assert run(projection) == run(projection) == "[('ann', 2001250), ('bob', 99)]\n"
        assert sorted(run(pool).splitlines()) == ["charging A1, attempt 1", "charging A2, attempt 1"]
        assert "an order of more than" in tidegate("dead-letters", "list", "billing")
        assert [line.split()[0] for line in run(dashboard).splitlines()] == ["A1", "A3"]

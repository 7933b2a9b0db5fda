"""Rules made to hurt: each is refused within two seconds and 500 MB, by a process that lives on."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tests.rule_schemas import field_schema, message_schema

_CHECK = """
import sys, resource
from registry.descriptors import build_pool
from registry.errors import InvalidSchema
from registry.rules import check_rules
pool = build_pool(sys.stdin.buffer.read())
before = resource.getrusage(resource.RUSAGE_SELF)
try:
    check_rules(pool, ["t.M"])
except InvalidSchema as error:
    print("refused", error)
else:
    print("accepted")
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime)
"""

MEMORY = 500 * 1024 * 1024
"""What the check may take on top of the 700 MB of address space that the libraries map."""

EXPRESSIONS = {
    "doubling": "['z']" + ".map(x, x + x)" * 25 + ".size() > 0",
    "doubling by lists": "[1]" + ".map(x, [x, x])" * 30 + ".size() > 0",
    "doubling by format": "this.a" + "".join(f" == '{'%s' * 40}'.format([this.a])" for _ in range(5)),
    "replacing": "'aaaaaaaaaaaaaaaa'" + ".replace('a', 'aaaaaaaaaaaaaaaa')" * 20 + " == ''",
    "replacing nothing": "this.a.replace('', this.b) == ''",
    "joining": "this.xs.join(this.a) == ''",
    "nested literals": "[1,2,3,4,5,6,7,8,9].all(x, " * 12 + "true" + ")" * 12,
    "pairs": "this.xs.all(x, this.xs.exists(y, x == y))",
    "membership": "this.xs.all(x, x in this.ys)",
    "outer string": "this.xs.all(x, x != this.a)",
    "outer any": "this.xs.all(x, this.any != this.any)",
    "outer struct": "this.st.all(k, this.st[k] != '')",
    "map": "this.xs.map(x, x).unique()",
    "filter": "this.xs.filter(x, x != '').size() > 3",
    "needle": "this.a.contains(this.b)",
    "bytes needle": "this.by.contains(this.by)",
    "splitting": "this.a.split(this.b).size() > 1",
    "computed pattern": "this.a.matches(this.b)",
    "computed zone": "this.ts.getHours(this.a) == 1",
    "computed format": "this.a.format([this.b]) == ''",
    "slow pattern": "this.a.matches('a.{900}b')",
    "huge pattern": "this.a.matches('((a{1000}){1000}){1000}')",
    "parentheses": "(" * 1000 + "true" + ")" * 1000,
    "nots": "!" * 2000 + "this",
    "brackets": "[" * 1000 + "]" * 1000,
    "selections": "this" + ".m" * 900 + " == this",
    "comprehensions": "this.ms.all(m, m." * 100 + "x" + ")" * 100,
    "ternaries": "true ? true : " * 140 + "true ? 1 : 2",
    "sums": "this.a" + " + this.a" * 220 + " == ''",
    "many reads": "||".join(["this.a == ''"] * 140),
    "too long": "true || '" + "x" * 2048 + "' == ''",
    "shadowed limit": "size(this.xs) < 3 && this.ms.all(this, this.xs.map(x, x).unique())",
    "shadowed range": "this.mm.all(k, this.ms.all(this, this.mm[k].a == ''))",
    "limit of an or": "size(this.xs) < 3 || this.xs.map(x, x).unique()",
    "hidden accumulator": "this.xs.map(x, __result__).size() > 0",
    "not text": "'\\0' + \"",
}

FIELDS = {
    "slow pattern": 'string f = 1 [(buf.validate.field).string.pattern = "a.{900}b"];',
    "optional tail": 'string f = 1 [(buf.validate.field).string.pattern = "x{0,1000}y"];',
    "huge pattern": 'string f = 1 [(buf.validate.field).string.pattern = "((x{1000}){1000}){1000}"];',
    "stars": f'string f = 1 [(buf.validate.field).string.pattern = "a{"*" * 1500}"];',
    "groups": f'string f = 1 [(buf.validate.field).string.pattern = "{"(" * 900}{")" * 900}"];',
    "long list": f"int32 f = 1 [(buf.validate.field).int32 = {{in: [{','.join(map(str, range(1001)))}]}}];",
    "many rules": "int32 f = 1 ["
    + ",".join(['(buf.validate.field).cel_expression = "this > 0"'] * 65)
    + "];",
    "item patterns": 'repeated string f = 1 [(buf.validate.field).repeated.items.string.pattern = "a.{300}b"];',
}


def _verdict(schema: bytes) -> tuple[str, float]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY + 700 * 1024 * 1024,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    done = subprocess.run(
        [sys.executable, "-c", _CHECK],
        input=schema,
        capture_output=True,
        timeout=20,
        check=False,
        preexec_fn=limit,  # noqa: PLW1509
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    *verdict, seconds = done.stdout.decode().strip().splitlines()
    return "\n".join(verdict), float(seconds)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_hostile_expression(name: str) -> None:
    """CEL that could blow up is refused, by name, in bounded time and memory."""
    verdict, seconds = _verdict(message_schema(EXPRESSIONS[name]))
    assert verdict.startswith("refused t.M: ")
    assert seconds < 2


@pytest.mark.parametrize("name", FIELDS)
def test_hostile_field(name: str) -> None:
    """A standard rule that could blow up is refused, by name, in bounded time and memory."""
    verdict, seconds = _verdict(field_schema(FIELDS[name]))
    assert verdict.startswith("refused t.M")
    assert seconds < 2

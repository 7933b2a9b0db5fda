"""Rules made to hurt: each is refused within two seconds and 500 MB, by a process that lives on."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rule_schemas import field_schema, message_schema

_CHECK_EACH = """
import base64, json, os, resource, sys
from registry.descriptors import build_pool
from registry.errors import InvalidSchema
from registry.rules.check import check_rules

def verdict(schema):
    pool = build_pool(schema)
    try:
        check_rules(pool, ["t.M"])
    except InvalidSchema as error:
        return f"refused {error}"
    return "accepted"

def mapped():
    with open("/proc/self/statm") as sizes:
        return int(sizes.read().split()[0]) * resource.getpagesize()

for name, schema in json.load(sys.stdin).items():
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_AS, (mapped() + MEMORY,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
        os.write(writing, verdict(base64.b64decode(schema)).encode()[:4000])
        os._exit(0)
    os.close(writing)
    found = open(reading, "rb").read().decode(errors="replace")
    _, status, used = os.wait4(child, 0)
    print(json.dumps([name, status, found, used.ru_utime + used.ru_stime]), flush=True)
"""

MEMORY = 500 * 1024 * 1024
"""What a check may take, in bytes, on top of what the libraries map."""

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
    "items": 'repeated string f = 1 [(buf.validate.field).repeated.items.string.pattern = "a.{300}b"];',
}


CASES = {
    **{f"expression: {name}": lambda it=it: message_schema(it) for name, it in EXPRESSIONS.items()},
    **{f"field: {name}": lambda it=it: field_schema(it) for name, it in FIELDS.items()},
}


@pytest.fixture(scope="module")
def verdicts() -> dict[str, tuple[int, str, float]]:
    """Each case checked in a process of its own: its exit status, verdict and processor time."""
    cases = {name: base64.b64encode(make()).decode() for name, make in CASES.items()}
    done = subprocess.run(
        [sys.executable, "-c", f"MEMORY = {MEMORY}\n{_CHECK_EACH}"],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {
        name: (status, found, used) for name, status, found, used in map(json.loads, done.stdout.splitlines())
    }


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and limits address space")
@pytest.mark.parametrize("name", CASES)
def test_hostile_rule(name: str, verdicts: dict[str, tuple[int, str, float]]) -> None:
    """A rule that could blow up is refused, by name, within two seconds of work and 500 MB."""
    status, found, used = verdicts[name]
    assert status == 0
    assert found.startswith("refused t.M")
    assert used < 2

"""What a ``buf.validate`` rule may call: CEL's own library and what protovalidate adds to it.

CEL type-checks against declarations, and protovalidate gives none: they are written here as the
YAML that ``cel-expr-python`` reads. ``contains``, ``startsWith`` and ``endsWith`` are declared
anew, since protovalidate defines them on bytes too. Imports no other module of the registry.
"""

from __future__ import annotations

from typing import Any

from cel_expr_python import cel

_REDECLARED = ("contains", "endsWith", "startsWith")

_SIGNATURES = {
    "charAt": ["string.charAt(int) -> string"],
    "contains": ["string.contains(string) -> bool", "bytes.contains(bytes) -> bool"],
    "endsWith": ["string.endsWith(string) -> bool", "bytes.endsWith(bytes) -> bool"],
    "format": ["string.format(list<dyn>) -> string"],
    "getField": ["getField(dyn,string) -> dyn"],
    "indexOf": ["string.indexOf(string) -> int", "string.indexOf(string,int) -> int"],
    "isEmail": ["string.isEmail() -> bool"],
    "isHostAndPort": ["string.isHostAndPort(bool) -> bool"],
    "isHostname": ["string.isHostname() -> bool"],
    "isInf": ["double.isInf() -> bool", "double.isInf(int) -> bool"],
    "isIp": ["string.isIp() -> bool", "string.isIp(int) -> bool"],
    "isIpPrefix": [
        "string.isIpPrefix() -> bool",
        "string.isIpPrefix(int) -> bool",
        "string.isIpPrefix(bool) -> bool",
        "string.isIpPrefix(int,bool) -> bool",
    ],
    "isNan": ["double.isNan() -> bool"],
    "isUri": ["string.isUri() -> bool"],
    "isUriRef": ["string.isUriRef() -> bool"],
    "join": ["list<string>.join() -> string", "list<string>.join(string) -> string"],
    "lastIndexOf": ["string.lastIndexOf(string) -> int", "string.lastIndexOf(string,int) -> int"],
    "lowerAscii": ["string.lowerAscii() -> string"],
    "replace": ["string.replace(string,string) -> string", "string.replace(string,string,int) -> string"],
    "reverse": ["string.reverse() -> string"],
    "split": ["string.split(string) -> list<string>", "string.split(string,int) -> list<string>"],
    "startsWith": ["string.startsWith(string) -> bool", "bytes.startsWith(bytes) -> bool"],
    "substring": ["string.substring(int) -> string", "string.substring(int,int) -> string"],
    "trim": ["string.trim() -> string"],
    "unique": ["list<~A>.unique() -> bool"],
    "upperAscii": ["string.upperAscii() -> string"],
}


def environment(pool: Any, variables: dict[str, cel.Type]) -> cel.Env:
    """Makes the environment that rules over messages of ``pool`` are compiled in.

    ``now`` is always there; ``variables`` names the others. Costs about 3 ms.
    """
    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(_declarations()),
        descriptor_pool=pool,
        variables={"now": cel.Type.TIMESTAMP, **variables},
    )


def _declarations() -> str:
    lines = ["name: protovalidate", "stdlib:", "  exclude_functions:"]
    lines += [f"    - name: {name}" for name in _REDECLARED]
    lines += ["functions:"]
    for name, signatures in _SIGNATURES.items():
        lines += [f"  - name: {name}", "    overloads:"]
        lines += [
            line for index, signature in enumerate(signatures) for line in _overload(name, index, signature)
        ]
    return "\n".join(lines)


def _overload(name: str, index: int, signature: str) -> list[str]:
    call, _, result = signature.partition(" -> ")
    return [f"      - id: rule_{name}_{index}", f'        signature: "{call}"', f"        return: {result}"]

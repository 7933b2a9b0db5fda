"""Makes stubs with protoc, as consumers in any language do: of the contract and of a registered schema."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from processes import DemoError

CONTRACT = Path(__file__).parents[2] / "proto"


async def make_stubs(folder: Path, descriptor_set: bytes) -> None:
    """Generates into ``folder``; ``descriptor_set`` is the flights' schema as the gateway answers it.

    Raises:
        DemoError: protoc failed; it has written why to stderr.
    """
    schema = folder / "flights.binpb"
    schema.write_bytes(descriptor_set)
    files = sorted(str(file.relative_to(CONTRACT)) for file in CONTRACT.rglob("*.proto"))
    await asyncio.gather(
        _run_protoc(folder, f"--proto_path={CONTRACT}", f"--grpc_python_out={folder}", *files),
        _run_protoc(folder, f"--descriptor_set_in={schema}", "flights.proto", "buf/validate/validate.proto"),
    )
    await asyncio.to_thread(_make_packages, folder)


async def _run_protoc(folder: Path, *arguments: str) -> None:
    command = (sys.executable, "-m", "grpc_tools.protoc", f"--python_out={folder}", *arguments)
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        raise DemoError(f"protoc could not make stubs of {arguments[0]}")


def _make_packages(folder: Path) -> None:
    # protoc makes none, and without one an installed package of the same name would be found instead.
    for module in folder.rglob("*_pb2.py"):
        for package in module.relative_to(folder).parents[:-1]:
            (folder / package / "__init__.py").touch()

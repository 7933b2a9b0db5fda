"""Stubs for Python: protoc's own generators, which come with Tidegate."""

from __future__ import annotations

import keyword
from importlib.metadata import version
from typing import TYPE_CHECKING

from tidegate.cli.stubbing.language import Made
from tidegate.cli.stubbing.plan import run_protoc

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.cli.stubbing.plan import Plan, Stream

PROGRAM = """\
import grpc
{imports}

stub = services.{name}ServiceStub(grpc.insecure_channel("{server}"))
event = data.{data}()  # set its fields here
batch = typed.{batch}(topic="{topic}", events=[{{"data": event}}])
print(stub.Publish{name}(typed.{request}(batches=[batch])))
wanted = tidegate.SubscribeRequest(topics=["{topic}"], start_position=tidegate.START_POSITION_EARLIEST)
wanted.reader.client_name = "example"  # so that `tidegate schema readers` knows it
for response in stub.Subscribe{name}(wanted):
    for batch in response.batches.batches:
        for event in batch.events:
            print(event.data)
"""


class Python:
    """Modules below the folder, as protoc makes them: put the folder on the search path."""

    title = "Python"
    protos = "proto"

    def make(self, plan: Plan, folder: Path, stream: Stream) -> Made:
        """Generates all modules: also those of buf.validate and googleapis, where the schema imports them."""
        protos, services = folder / self.protos, [file.name for file in plan.own_files() if file.service]
        run_protoc(protos, plan.texts, [f"--python_out={folder}", f"--pyi_out={folder}"])
        run_protoc(protos, services, [f"--grpc_python_out={folder}"])
        libraries = " ".join(f"'{name}>={version(name)}'" for name in ("grpcio", "protobuf"))
        return Made(
            steps=(
                (f"pip install {libraries}", "Once: what the stubs need, and nothing else."),
                ("python example.py", "Publish an event, and read the topic from the beginning."),
            ),
            program=("example.py", _program(plan, stream)),
            notes=("In a program elsewhere, put this folder on the search path: `PYTHONPATH`.",),
        )


def _program(plan: Plan, stream: Stream) -> str:
    modules = {
        "data": _module(stream.data.file.name, "_pb2"),
        "tidegate": "tidegate.v1.event_service_pb2",
        "typed": _module(stream.file.name, "_pb2"),
        "services": _module(stream.file.name, "_pb2_grpc"),
    }
    imports = [_import(module, name) for name, module in modules.items()]
    return PROGRAM.format(
        imports="\n".join(sorted(imports)),
        name=stream.name,
        data=".".join(stream.data.names),
        batch=stream.batch,
        request=stream.request,
        topic=plan.topic,
        server=plan.server,
    )


def _module(file: str, suffix: str) -> str:
    """Names the module that protoc makes of a file."""
    return file.removesuffix(".proto").replace("-", "_").replace("/", ".") + suffix


def _import(module: str, name: str) -> str:
    package, _, last = module.rpartition(".")
    if any(keyword.iskeyword(word) for word in module.split(".")):
        return f'{name} = __import__("importlib").import_module("{module}")'
    return f"from {package} import {last} as {name}" if package else f"import {last} as {name}"

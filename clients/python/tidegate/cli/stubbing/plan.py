"""What stubs are made of: the files of a schema version, and its typed streams."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click
from google.protobuf.descriptor_pb2 import FileDescriptorSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

    from tidegate.v1.schema_service_pb2 import GetSchemaResponse

SUPPLIED = ("google/", "buf/validate/")
"""Where files are that are nobody's own: languages have them in packages of their own."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as generated code names it.

    Attributes:
        file: The file that declares it.
        names: Its own name, behind those of the messages around it.
    """

    file: FileDescriptorProto
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """The typed stream of one event type.

    Attributes:
        type: The event type.
        data: Its message.
        file: The file of its typed service.
        name: What the service's name has before ``Service``, and its methods behind their verbs.
        request: The message that its publish method takes.
        batch: The message of a batch.
        event: The message of one event.
        response: The message that its subscribe method answers.
    """

    type: str
    data: Message
    file: FileDescriptorProto
    name: str
    request: str
    batch: str
    event: str
    response: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All that stubs of a topic are made of.

    Attributes:
        topic: The topic.
        server: The gateway's address, for programs that try the stubs.
        subject: The topic's subject.
        version: The schema version.
        texts: From file name to text: everything that protoc needs.
        files: The same as descriptors, those that protoc brings along included.
        streams: The typed streams, by event type.
    """

    topic: str
    server: str
    subject: str
    version: int
    texts: Mapping[str, str]
    files: tuple[FileDescriptorProto, ...]
    streams: tuple[Stream, ...]

    def own_files(self) -> list[FileDescriptorProto]:
        """Answers the files that are neither supplied nor brought along: the schema's and Tidegate's."""
        return [file for file in self.files if not file.name.startswith(SUPPLIED)]


def make_plan(topic: str, server: str, answer: GetSchemaResponse) -> Plan:
    """Makes the plan of what GetSchema answered.

    Raises:
        click.ClickException: The gateway's files are not as they should be.
    """
    texts = dict(answer.typed.files)
    for name in texts:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise click.ClickException(f"The gateway sent a file called {name}: that is no relative path.")
    files = tuple(_compile(texts).file)
    return Plan(
        topic,
        server,
        answer.schema.subject,
        answer.schema.version,
        texts,
        files,
        tuple(_stream(files, *service) for service in sorted(answer.typed_services.items())),
    )


def write_protos(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes .proto files into a folder."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")


def run_protoc(folder: Path, names: Iterable[str], arguments: Sequence[str]) -> None:
    """Runs protoc on files in a folder, with the plugins that the arguments name.

    Raises:
        click.ClickException: It failed; with what it said.
    """
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", *arguments, *sorted(names)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"protoc failed:\n{done.stderr.strip()}")


def _compile(texts: Mapping[str, str]) -> FileDescriptorSet:
    with tempfile.TemporaryDirectory(prefix="tidegate-stubs-") as folder:
        write_protos(Path(folder), texts)
        out = Path(folder, "out.binpb")
        run_protoc(Path(folder), texts, ["--include_imports", f"--descriptor_set_out={out}"])
        return FileDescriptorSet.FromString(out.read_bytes())


def _stream(files: Sequence[FileDescriptorProto], event_type: str, service: str) -> Stream:
    package, _, name = service.rpartition(".")
    file = next(it for it in files if it.package == package and any(name == s.name for s in it.service))
    declared = next(it for it in file.service if it.name == name)
    messages = {f".{package}.{message.name}": message for message in file.message_type}
    request = messages[declared.method[0].input_type]
    batch = messages[_type_of("batches", request)]
    return Stream(
        event_type,
        next(message for it in files for message in _messages(it) if _full_name(message) == event_type),
        file,
        name.removesuffix("Service"),
        request.name,
        batch.name,
        messages[_type_of("events", batch)].name,
        messages[declared.method[2].output_type].name,
    )


def _type_of(field: str, message: DescriptorProto) -> str:
    return next(it.type_name for it in message.field if it.name == field)


def _messages(file: FileDescriptorProto) -> Iterator[Message]:
    def walk(outer: tuple[str, ...], declared: Iterable[DescriptorProto]) -> Iterator[Message]:
        for message in declared:
            yield Message(file, (*outer, message.name))
            yield from walk((*outer, message.name), message.nested_type)

    return walk((), file.message_type)


def _full_name(message: Message) -> str:
    return ".".join(filter(None, (message.file.package, *message.names)))

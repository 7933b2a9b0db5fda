"""Stubs for Go: messages by protoc-gen-go, services by protoc-gen-go-grpc."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tidegate.cli.stubbing.language import Made, Tool
from tidegate.cli.stubbing.plan import run_protoc

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from tidegate.cli.stubbing.plan import Plan, Stream

TOOLS = (
    Tool("protoc-gen-go", "go install google.golang.org/protobuf/cmd/protoc-gen-go@latest"),
    Tool("protoc-gen-go-grpc", "go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@latest"),
)
PROGRAM = """\
package main

import (
	"context"
	"fmt"
	"log"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

{imports}
)

func main() {{
	connection, err := grpc.NewClient("{server}", grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	client, ctx := typed.New{name}ServiceClient(connection), context.Background()
	event := &{data}{{}} // set its fields here
	batch := &typed.{batch}{{Topic: "{topic}", Events: []*typed.{event}{{{{Data: event}}}}}}
	published, err := client.{publish}(ctx, &typed.{request}{{Batches: []*typed.{batch}{{batch}}}})
	check(err)
	fmt.Println(published)
	earliest := tidegate.StartPosition_START_POSITION_EARLIEST
	stream, err := client.{subscribe}(ctx, &tidegate.SubscribeRequest{{
		Topics: []string{{"{topic}"}},
		Start:  &tidegate.SubscribeRequest_StartPosition{{StartPosition: earliest}},
		Reader: &tidegate.ReaderInfo{{ClientName: "example"}}, // so that `tidegate schema readers` knows it
	}})
	check(err)
	for {{
		response, err := stream.Recv()
		check(err)
		for _, batch := range response.GetBatches().GetBatches() {{
			for _, event := range batch.Events {{
				fmt.Println(event.Data)
			}}
		}}
	}}
}}

func check(err error) {{
	if err != nil {{
		log.Fatal(err)
	}}
}}
"""
_MODULE = re.compile(r"^module\s+(\S+)", re.MULTILINE)


class Go:
    """Packages below the folder, in the module that the folder is in; in one of its own, if it is in none."""

    title = "Go"
    protos = "proto"

    def make(self, plan: Plan, folder: Path, stream: Stream) -> Made:
        """Generates one Go package for each proto package; what is supplied has its packages elsewhere."""
        module = _module(folder) or _new_module(plan, folder)
        found = [tool.find(_go_folders()) for tool in TOOLS]
        missing = [tool for tool, path in zip(TOOLS, found, strict=True) if path is None]
        if not missing:
            _generate(plan, folder, module, [str(path) for path in found])
        return Made(
            steps=(
                ("go mod tidy", "Once: get what the stubs need."),
                ("go run ./example", "Publish an event, and read the topic from the beginning."),
            ),
            program=("example/main.go", _program(stream, plan, module)),
            missing=missing,
        )


def _generate(plan: Plan, folder: Path, module: str, plugins: list[str]) -> None:
    own = plan.own_files()
    arguments = [f"--plugin={plugin}" for plugin in plugins]
    for kind in ("go", "go-grpc"):
        places = [f"M{file.name}={_package(file, module)};{_package_name(file)}" for file in own]
        arguments.append(f"--{kind}_out={folder}")
        arguments.append(f"--{kind}_opt=" + ",".join([f"module={module}", *places]))
    run_protoc(folder / Go.protos, [file.name for file in own], arguments)


def _package(file: FileDescriptorProto, module: str) -> str:
    """Answers the import path of a file's Go package."""
    return "/".join((module, *(file.package or "schema").split(".")))


def _package_name(file: FileDescriptorProto) -> str:
    """Names a file's Go package by the last words of its proto package: ``shopv1`` for ``shop.v1``."""
    words = (file.package or "schema").split(".")
    name = "".join(words[-2:] if re.fullmatch(r"v\d\w*", words[-1]) else words[-1:]).replace("_", "").lower()
    return f"typed{name}" if file.name.startswith("tidegate/typed/") else name


def _module(folder: Path) -> str:
    """Answers the import path of a folder, if it lies in a Go module; else nothing."""
    folder = folder.resolve()
    for root in (folder, *folder.parents):
        if (root / "go.mod").is_file():
            found = _MODULE.search((root / "go.mod").read_text(encoding="utf-8"))
            below = folder.relative_to(root).as_posix()
            return str(PurePosixPath(found[1], below)) if found else ""
    return ""


def _new_module(plan: Plan, folder: Path) -> str:
    module = f"stubs.example/{plan.topic}"
    (folder / "go.mod").write_text(f"module {module}\n\ngo 1.23\n", encoding="utf-8")
    return module


def _go_folders() -> list[Path]:
    """Answers where `go install` puts programs."""
    home = os.environ.get("GOPATH", "").split(os.pathsep)[0] or str(Path.home() / "go")
    return [Path(folder) for folder in (os.environ.get("GOBIN", ""), f"{home}/bin") if folder]


def _program(stream: Stream, plan: Plan, module: str) -> str:
    contract = next(file for file in plan.files if file.name == "tidegate/v1/event_service.proto")
    packages = {"data": stream.data.file, "typed": stream.file, "tidegate": contract}
    imports = sorted(f'\t{name} "{_package(file, module)}"' for name, file in packages.items())
    return PROGRAM.format(
        imports="\n".join(imports),
        server=plan.server,
        topic=plan.topic,
        name=camel_case(stream.name),
        publish=camel_case(f"Publish{stream.name}"),
        subscribe=camel_case(f"Subscribe{stream.name}"),
        data="data." + camel_case("_".join(stream.data.names)),
        batch=camel_case(stream.batch),
        event=camel_case(stream.event),
        request=camel_case(stream.request),
    )


def camel_case(name: str) -> str:
    """Names a message, a service or a method as protoc-gen-go does."""
    name = re.sub(r"^_([a-z]?)", lambda found: f"X{found[1].upper()}", name)
    return re.sub(r"(?:^|_|(?<=[0-9]))([a-z])", lambda found: found[1].upper(), name)

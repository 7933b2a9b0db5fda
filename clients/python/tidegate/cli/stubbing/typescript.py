"""Stubs for TypeScript: modules by protoc-gen-es, which are called over Connect's gRPC transport."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tidegate.cli.stubbing.language import Made, Tool
from tidegate.cli.stubbing.plan import run_protoc

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.cli.stubbing.plan import Plan, Stream

PACKAGES = {
    "@bufbuild/protobuf": "^2",
    "@bufbuild/protoc-gen-es": "^2",
    "@connectrpc/connect": "^2",
    "@connectrpc/connect-node": "^2",
    "tsx": "^4",
}
PROGRAM = """\
import {{ createClient }} from "@connectrpc/connect";
import {{ createGrpcTransport }} from "@connectrpc/connect-node";
import {{ {name}Service }} from "./{module}";
import {{ StartPosition }} from "./tidegate/v1/event_service_pb.js";

const client = createClient({name}Service, createGrpcTransport({{ baseUrl: "http://{server}" }}));
const event = {{ data: {{}} }}; // set the fields of the data here
console.log(await client.publish{name}({{ batches: [{{ topic: "{topic}", events: [event] }}] }}));
const start = {{ case: "startPosition", value: StartPosition.EARLIEST }} as const;
const reader = {{ clientName: "example" }}; // so that `tidegate schema readers` knows it
for await (const {{ frame }} of client.subscribe{name}({{ topics: ["{topic}"], start, reader }})) {{
  for (const batch of frame.case === "batches" ? frame.value.batches : []) {{
    for (const event of batch.events) console.log(event.data);
  }}
}}
"""


class TypeScript:
    """Modules below the folder, in the npm package that it is in; in one of its own, if it is in none."""

    title = "TypeScript"
    protos = "proto"

    def make(self, plan: Plan, folder: Path, stream: Stream) -> Made:
        """Generates all modules: also those of buf.validate and googleapis, where the schema imports them."""
        root = next((it for it in _around(folder) if (it / "package.json").is_file()), folder.resolve())
        tool = Tool("protoc-gen-es", _install(folder, root))
        plugin = tool.find(it / "node_modules" / ".bin" for it in _around(folder))
        if plugin:
            options = f"--plugin={plugin}", f"--es_out={folder}", "--es_opt=target=ts,import_extension=js"
            run_protoc(folder / self.protos, plan.texts, options)
        program = PROGRAM.format(
            name=stream.name,
            module=stream.file.name.replace(".proto", "_pb.js"),
            server=plan.server,
            topic=plan.topic,
        )
        return Made(
            steps=(("npx tsx example.ts", "Publish an event, and read the topic from the beginning."),),
            program=("example.ts", program),
            missing=() if plugin else (tool,),
        )


def _around(folder: Path) -> tuple[Path, ...]:
    return (folder.resolve(), *folder.resolve().parents)


def _install(folder: Path, root: Path) -> str:
    """Answers the command that installs what the stubs need; makes a package if the folder is in none."""
    manifest = root / "package.json"
    if manifest.exists():
        packages = " ".join(f"{name}@{version}" for name, version in PACKAGES.items())
        return f"npm install --prefix {root} {packages}"
    content = {"private": True, "type": "module", "dependencies": PACKAGES}
    manifest.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return f"npm install --prefix {folder.absolute()}"

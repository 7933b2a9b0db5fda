"""Stubs for Rust: a crate, whose build script runs protoc with prost and tonic, and gets them by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidegate.cli.stubbing.language import Made, Tool

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.cli.stubbing.plan import Message, Plan, Stream

CARGO = Tool("cargo", "curl https://sh.rustup.rs -sSf | sh")
MANIFEST = """\
[package]
name = "{name}-stubs"
version = "{version}.0.0"
edition = "2021"

[dependencies]
prost = "0.14"
prost-types = "0.14"
tokio = {{ version = "1", features = ["macros", "rt-multi-thread"] }}
tonic = "0.14"
tonic-prost = "0.14"

[build-dependencies]
protoc-bin-vendored = "3"
tonic-prost-build = "0.14"
"""
BUILD = """\
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    std::env::set_var("PROTOC", protoc_bin_vendored::protoc_bin_path()?);
    let services = protos(Path::new("proto/tidegate/typed"))?;
    tonic_prost_build::configure().include_file("stubs.rs").compile_protos(&services, &["proto".into()])?;
    Ok(())
}

fn protos(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.append(&mut protos(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
"""
PROGRAM = """\
include!(concat!(env!("OUT_DIR"), "/stubs.rs"));
use tidegate::v1::{{subscribe_request::Start, ReaderInfo, StartPosition, SubscribeRequest}};
use {package} as typed;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {{
    let mut client = typed::{client}_client::{service}Client::connect("http://{server}").await?;
    let data = {data}::default(); // set its fields here
    let event = typed::{event} {{ data: Some(data), ..Default::default() }};
    let batch = typed::{batch} {{ topic: "{topic}".into(), events: vec![event], ..Default::default() }};
    let request = typed::{request} {{ batches: vec![batch], ..Default::default() }};
    println!("{{:?}}", client.{publish}(request).await?.into_inner());
    let start = Some(Start::StartPosition(StartPosition::Earliest.into()));
    // The name is for `tidegate schema readers`.
    let reader = Some(ReaderInfo {{ client_name: "example".into(), ..Default::default() }});
    let wanted = SubscribeRequest {{ topics: vec!["{topic}".into()], start, reader, ..Default::default() }};
    let mut stream = client.{subscribe}(wanted).await?.into_inner();
    while let Some(response) = stream.message().await? {{
        if let Some(typed::{response}::Frame::Batches(found)) = response.frame {{
            for event in found.batches.into_iter().flat_map(|batch| batch.events) {{
                println!("{{:?}}", event.data);
            }}
        }}
    }}
    Ok(())
}}
"""
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Rust:
    """A crate in the folder, unless there is one already."""

    title = "Rust"
    protos = "proto"

    def make(self, plan: Plan, folder: Path, stream: Stream) -> Made:
        """Writes the crate; its build generates the stubs."""
        manifest = MANIFEST.format(name=plan.topic.replace(".", "-").lower(), version=plan.version)
        for path, text in ((folder / "Cargo.toml", manifest), (folder / "build.rs", BUILD)):
            if not path.exists():
                path.write_text(text, encoding="utf-8")
        return Made(
            steps=(("cargo run", "Build, publish an event, and read the topic from its beginning."),),
            program=("src/main.rs", _program(plan, stream)),
            missing=() if CARGO.find() else (CARGO,),
            notes=("A `Cargo.toml` and a `build.rs` that were there before are left as they were.",),
        )


def _program(plan: Plan, stream: Stream) -> str:
    return PROGRAM.format(
        package=stream.file.package.replace(".", "::"),
        server=plan.server,
        topic=plan.topic,
        client=_snake(f"{stream.name}Service"),
        service=_camel(f"{stream.name}Service"),
        data=_path(stream.data),
        event=_camel(stream.event),
        batch=_camel(stream.batch),
        request=_camel(stream.request),
        response=_snake(stream.response),
        publish=_snake(f"Publish{stream.name}"),
        subscribe=_snake(f"Subscribe{stream.name}"),
    )


def _path(message: Message) -> str:
    """Answers the path of a message's struct: those around it are modules."""
    *outer, name = message.names
    modules = [*filter(None, message.file.package.split(".")), *map(_snake, outer)]
    return "::".join((*modules, _camel(name)))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _HUMP.sub("_", name).split("_") if word]


def _snake(name: str) -> str:
    return "_".join(_words(name))


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in _words(name))

"""Schemas whose ``buf.validate`` rules the tests choose, compiled by protoc."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass

from registry.descriptors import build_pool
from registry.supplied import supplied_files

if TYPE_CHECKING:
    from google.protobuf.descriptor_pool import DescriptorPool

HEAD = """
syntax = "proto3";
package t;
import "buf/validate/validate.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
"""

_MESSAGE = (
    HEAD
    + """
enum Q { Q_ZERO = 0; Q_ONE = 1; }
message M {
  option (buf.validate.message).cel = { id: "the.rule" message: "broken" expression: "true" };
  string a = 1; string b = 2; repeated string xs = 3; repeated string ys = 4; M m = 5;
  repeated M ms = 6;
  map<string, M> mm = 7; map<string, string> sm = 8; google.protobuf.Any any = 9;
  google.protobuf.Struct st = 10;
  bytes by = 11; google.protobuf.Timestamp ts = 12; google.protobuf.Duration d = 13;
  int32 n = 14; uint32 u = 15;
  double f = 16; bool ok = 17; Q q = 18; google.protobuf.StringValue w = 19; repeated int32 ns = 20;
  google.protobuf.FieldMask mask = 21; optional string maybe = 22;
}
"""
)


@cache
def compile_schema(text: str) -> bytes:
    """The FileDescriptorSet of one file, imports included."""
    with TemporaryDirectory() as folder:
        supplied = FileDescriptorSet(file=map(FileDescriptorProto.FromString, supplied_files().values()))
        Path(folder, "supplied.binpb").write_bytes(supplied.SerializeToString())
        Path(folder, "t.proto").write_text(text)
        command = "--descriptor_set_in=supplied.binpb -I. --include_imports -oout.binpb t.proto"
        done = subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", *command.split()],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Path(folder, "out.binpb").read_bytes()


def field_schema(fields: str) -> bytes:
    """A schema of one message ``t.M`` with these fields."""
    return compile_schema(f"{HEAD} message M {{ {fields} }}")


def message_schema(expression: str) -> bytes:
    """A schema whose message ``t.M``, of all kinds of fields, carries one CEL rule."""
    files = FileDescriptorSet.FromString(compile_schema(_MESSAGE))
    pool = build_pool(files.SerializeToString())
    file: Any = _class(pool, "google.protobuf.FileDescriptorProto").FromString(
        files.file[-1].SerializeToString()
    )
    rules = file.message_type[0].options.Extensions[pool.FindExtensionByName("buf.validate.message")]
    rules.cel[0].expression = expression
    files.file[-1].ParseFromString(file.SerializeToString())
    return files.SerializeToString()


def _class(pool: DescriptorPool, name: str) -> Any:
    return GetMessageClass(pool.FindMessageTypeByName(name))

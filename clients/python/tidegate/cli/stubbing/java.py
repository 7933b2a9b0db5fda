"""Stubs for Java: a Maven project, whose build runs protoc and grpc-java's plugin and gets both by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidegate.cli.stubbing.language import Made, Tool

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

    from tidegate.cli.stubbing.plan import Message, Plan, Stream

GRPC, PROTOBUF = "1.80.0", "4.36.2"
MAVEN = Tool("mvn", "apt-get install maven    # or see https://maven.apache.org/install.html")
POM = """\
<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>stubs.example</groupId>
  <artifactId>{artifact}</artifactId>
  <version>{version}</version>
  <properties>
    <maven.compiler.source>17</maven.compiler.source>
    <maven.compiler.target>17</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
    <grpc.version>{grpc}</grpc.version>
    <protobuf.version>{protobuf}</protobuf.version>
  </properties>
  <dependencies>
{dependencies}
  </dependencies>
  <build>
    <extensions>
      <extension>
        <groupId>kr.motd.maven</groupId>
        <artifactId>os-maven-plugin</artifactId>
        <version>1.7.1</version>
      </extension>
    </extensions>
    <plugins>
      <plugin>
        <groupId>org.xolstice.maven.plugins</groupId>
        <artifactId>protobuf-maven-plugin</artifactId>
        <version>0.6.1</version>
        <configuration>
          <protocArtifact>com.google.protobuf:protoc:${{protobuf.version}}:exe:${{os.detected.classifier}}</protocArtifact>
          <pluginId>grpc-java</pluginId>
          <pluginArtifact>io.grpc:protoc-gen-grpc-java:${{grpc.version}}:exe:${{os.detected.classifier}}</pluginArtifact>
          <pluginParameter>@generated=omit</pluginParameter>
        </configuration>
        <executions>
          <execution>
            <goals>
              <goal>compile</goal>
              <goal>compile-custom</goal>
            </goals>
          </execution>
        </executions>
      </plugin>
      <plugin>
        <groupId>org.codehaus.mojo</groupId>
        <artifactId>exec-maven-plugin</artifactId>
        <version>3.5.0</version>
        <configuration>
          <mainClass>Example</mainClass>
        </configuration>
      </plugin>
    </plugins>
  </build>
</project>
"""
DEPENDENCY = """\
    <dependency>
      <groupId>{group}</groupId>
      <artifactId>{artifact}</artifactId>
      <version>${{{version}.version}}</version>
    </dependency>"""
DEPENDENCIES = (
    ("io.grpc", "grpc-netty-shaded", "grpc"),
    ("io.grpc", "grpc-protobuf", "grpc"),
    ("io.grpc", "grpc-stub", "grpc"),
    ("com.google.protobuf", "protobuf-java", "protobuf"),
)
PROGRAM = """\
import dev.tidegate.v1.StartPosition;
import dev.tidegate.v1.SubscribeRequest;
import {package}.*;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;

public class Example {{
  public static void main(String[] arguments) {{
    var channel = Grpc.newChannelBuilder("{server}", InsecureChannelCredentials.create()).build();
    var stub = {name}ServiceGrpc.newBlockingStub(channel);
    var data = {data}.newBuilder().build(); // set its fields here
    var event = {event}.newBuilder().setData(data);
    var batch = {batch}.newBuilder().setTopic("{topic}").addEvents(event);
    System.out.println(stub.{publish}({request}.newBuilder().addBatches(batch).build()));
    var wanted = SubscribeRequest.newBuilder().addTopics("{topic}");
    wanted.setStartPosition(StartPosition.START_POSITION_EARLIEST);
    wanted.getReaderBuilder().setClientName("example"); // so that `tidegate schema readers` knows it
    stub.{subscribe}(wanted.build()).forEachRemaining(response -> {{
      for (var found : response.getBatches().getBatchesList()) {{
        found.getEventsList().forEach(each -> System.out.println(each.getData()));
      }}
    }});
  }}
}}
"""


class Java:
    """A Maven project in the folder, unless there is one already."""

    title = "Java"
    protos = "src/main/proto"

    def make(self, plan: Plan, folder: Path, stream: Stream) -> Made:
        """Writes the project; its build generates the stubs."""
        pom = folder / "pom.xml"
        if not pom.exists():
            pom.write_text(_pom(plan), encoding="utf-8")
        return Made(
            steps=(
                (
                    "mvn -q compile exec:java",
                    "Build, publish an event, and read the topic from its beginning.",
                ),
            ),
            program=("src/main/java/Example.java", _program(plan, stream)),
            missing=() if MAVEN.find() else (MAVEN,),
            notes=("A `pom.xml` that was there before is left as it was.",),
        )


def _pom(plan: Plan) -> str:
    dependencies = "\n".join(
        DEPENDENCY.format(group=group, artifact=artifact, version=version)
        for group, artifact, version in DEPENDENCIES
    )
    return POM.format(
        artifact=plan.topic, version=plan.version, grpc=GRPC, protobuf=PROTOBUF, dependencies=dependencies
    )


def _program(plan: Plan, stream: Stream) -> str:
    return PROGRAM.format(
        package=_package(stream.file),
        server=plan.server,
        topic=plan.topic,
        name=stream.name,
        data=_class(stream.data),
        event=stream.event,
        batch=stream.batch,
        request=stream.request,
        publish=_method(f"Publish{stream.name}"),
        subscribe=_method(f"Subscribe{stream.name}"),
    )


def _package(file: FileDescriptorProto) -> str:
    return file.options.java_package or file.package


def _class(message: Message) -> str:
    """Names the class of a message in full."""
    file = message.file
    outer = () if file.options.java_multiple_files else (_outer_class(file),)
    return ".".join(filter(None, (_package(file), *outer, *message.names)))


def _outer_class(file: FileDescriptorProto) -> str:
    """Names the class that holds those of a file."""
    if file.options.java_outer_classname:
        return file.options.java_outer_classname
    stem = file.name.rpartition("/")[2].removesuffix(".proto")
    name = re.sub(r"(?:^|[^A-Za-z0-9]+|(?<=[0-9]))([A-Za-z]|$)", lambda found: found[1].upper(), stem)
    return f"{name}OuterClass" if name in _declared(file) else name


def _declared(file: FileDescriptorProto) -> set[str]:
    def nested(messages: Iterable[DescriptorProto]) -> set[str]:
        return {
            name
            for message in messages
            for name in (
                message.name,
                *(it.name for it in message.enum_type),
                *nested(message.nested_type),
            )
        }

    enums, services = (it.name for it in file.enum_type), (it.name for it in file.service)
    return {*enums, *services} | nested(file.message_type)


def _method(name: str) -> str:
    """Names a method as grpc-java does."""
    name = re.sub(r"_+(.?)", lambda found: found[1].upper(), name)
    return name[:1].lower() + name[1:]

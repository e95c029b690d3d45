"""``make servers``: Kafka's jars and InfluxDB's binary, into the user's cache folder; and where they lie.

Kafka's jars come through the ordinary Maven client from ``kafka_jars/pom.xml`` (half a minute, 43 MB). InfluxDB
2 is compiled by Go, and its query language by Rust, from the wrapper module in ``influxd/`` whose ``go.sum``
pins every source by its digest (5 to 12 minutes and 3 GB of Go's and Rust's own caches the first time). ``go
install`` would refuse influxd for its replace directives; as a tool of a module of ours it builds.

What is there already is left alone: a version is in the folder's name. Both are put in place by one rename, so
that a build that was interrupted is never taken for a server.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from servers.errors import ServerFailed, ServerMissing

KAFKA_VERSION = "4.4.0"
INFLUXDB_VERSION = "2.9.1"
JAVA_AT_LEAST = 17
GO_AT_LEAST = (1, 25, 10)
"""What influxd's own go.mod asks for."""
SOURCES = Path(__file__).resolve().parent
REMEDY = "Run `make servers`, which says what it needs."


def cache_folder() -> Path:
    """Where servers are kept; ``KATYDID_SERVERS`` names another folder."""
    return Path(os.environ.get("KATYDID_SERVERS") or Path(platformdirs.user_cache_dir("katydid")) / "servers")


def kafka_folder() -> Path:
    """Where this version's jars are, or will be."""
    return cache_folder() / f"kafka-{KAFKA_VERSION}"


def kafka_archive() -> Path:
    """Where Java's archive of this version's classes is, or will be; a broker runs without it too."""
    return cache_folder() / f"kafka-{KAFKA_VERSION}.jsa"


def influxd_path() -> Path:
    """Where this version's binary is, or will be."""
    name = "influxd.exe" if os.name == "nt" else "influxd"
    return cache_folder() / f"influxd-{INFLUXDB_VERSION}" / name


def find_kafka() -> tuple[Path, Path]:
    """The Java program and the folder of Kafka's jars.

    Raises:
        ServerMissing: one of them is not here.
    """
    java = find_java()
    if not kafka_folder().is_dir():
        raise ServerMissing(f"Kafka {KAFKA_VERSION} is not in {kafka_folder()}. {REMEDY}")
    return java, kafka_folder()


def find_influxd() -> Path:
    """InfluxDB's server program.

    Raises:
        ServerMissing: it is not built.
    """
    if not influxd_path().is_file():
        raise ServerMissing(f"InfluxDB {INFLUXDB_VERSION} is not in {influxd_path().parent}. {REMEDY}")
    return influxd_path()


def find_java() -> Path:
    """A Java that runs Kafka: that of JAVA_HOME, else that of PATH.

    Raises:
        ServerMissing: there is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    if found is None:
        raise ServerMissing(f"Java is missing: Kafka {KAFKA_VERSION} needs version {JAVA_AT_LEAST} or later")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA_AT_LEAST:
        raise ServerMissing(f"{found} is too old: Kafka {KAFKA_VERSION} needs Java {JAVA_AT_LEAST} or later")
    return Path(found)


def missing_for_kafka() -> list[str]:
    """What fetching Kafka needs and this machine lacks, in words; empty where nothing."""
    lacks = [] if shutil.which("mvn") else ["Maven (the program mvn)"]
    try:
        find_java()
    except ServerMissing:
        lacks.append(f"Java {JAVA_AT_LEAST} or later")
    return lacks


def missing_for_influxdb() -> list[str]:
    """What building InfluxDB needs and this machine lacks, in words; empty where nothing."""
    programs = {
        "cargo": "Rust (the program cargo)",
        "gcc": "a C compiler (the program gcc)",
        "pkg-config": "pkg-config",
    }
    lacks = [words for program, words in programs.items() if not shutil.which(program)]
    if go_version() < GO_AT_LEAST:
        lacks.insert(0, f"Go {'.'.join(map(str, GO_AT_LEAST))} or later")
    return lacks


def go_version() -> tuple[int, ...]:
    """The installed Go's version; (0,) where there is none."""
    if shutil.which("go") is None:
        return (0,)
    said = subprocess.run(["go", "version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"go(\d+(?:\.\d+)+)", said)
    return tuple(int(number) for number in version[1].split(".")) if version else (0,)


def fetch_kafka() -> Path:
    """Fetch Kafka's jars if they are not here; the folder with them.

    Raises:
        ServerMissing: Maven or Java is not installed.
        ServerFailed: Maven failed; what it said.
    """
    target = kafka_folder()
    if target.is_dir():
        return target
    if lacks := missing_for_kafka():
        raise ServerMissing(f"Kafka {KAFKA_VERSION} cannot be fetched without {' and '.join(lacks)}")
    with _new_folder_beside(target) as new:
        pom = SOURCES / "kafka_jars" / "pom.xml"
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={new / 'jars'}"]
        _must_run(["mvn", "-q", "-B", "-C", "-f", str(pom), *goal], SOURCES, {})
        (new / "jars").rename(target)
    return target


def build_influxd() -> Path:
    """Build InfluxDB's server if it is not here; the program.

    Raises:
        ServerMissing: Go, Rust or a C compiler is not installed.
        ServerFailed: the build failed; what the compiler said.
    """
    target = influxd_path()
    if target.is_file():
        return target
    if lacks := missing_for_influxdb():
        raise ServerMissing(f"InfluxDB {INFLUXDB_VERSION} cannot be built without {' and '.join(lacks)}")
    module, environment = SOURCES / "influxd", _compiler_settings()
    with _new_folder_beside(target.parent) as new:
        # influxd's build asks pkg-config for a library that only this wrapper of pkg-config knows how to compile.
        wrapper, built = new / "pkg-config", new / "influxd" / target.name
        _must_run(["go", "build", "-o", str(wrapper), "github.com/influxdata/pkg-config"], module, environment)
        flags = ["-tags", "sqlite_foreign_keys,sqlite_json", "-ldflags", f"-s -w -X main.version={INFLUXDB_VERSION}"]
        program = "github.com/influxdata/influxdb/v2/cmd/influxd"
        environment["PKG_CONFIG"] = str(wrapper)
        _must_run(["go", "build", *flags, "-o", str(built), program], module, environment)
        built.parent.rename(target.parent)
    return target


def _compiler_settings() -> dict[str, str]:
    settings = {
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "1",
        "GOFLAGS": "-buildvcs=false",
        # Its Rust part forbids warnings; compilers later than its own have new ones.
        "RUSTFLAGS": "--cap-lints=warn",
    }
    if shutil.which("rustup"):
        # It asks for one compiler by its version, which rustup would fetch: the installed one compiles it.
        said = subprocess.run(
            ["rustup", "show", "active-toolchain"], capture_output=True, text=True, check=False
        ).stdout
        if said.split():
            settings["RUSTUP_TOOLCHAIN"] = said.split()[0]
    return settings


def _must_run(command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise ServerFailed(f"{' '.join(command[:3])} … failed with {done.returncode}:\n{said}")


@contextmanager
def _new_folder_beside(target: Path) -> Iterator[Path]:
    """An empty folder on the target's own disk, so that what is made there can be renamed to it; gone afterwards."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="building-") as folder:
        yield Path(folder)

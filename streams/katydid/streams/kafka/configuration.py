"""One frozen tree that says all there is to say about a worker: a TOML file, and the environment for secrets only.

    [kafka]     servers, security, user, ca_file, group, instance_id, timeouts
    [topics]    frames, clips, health, outcomes, deadletters, and how they are made
    [sink]      url: influx+http://HOST:PORT/ORG/BUCKET, duckdb:///PATH, or nothing; sites of sensors
    [media]     stores: URLs below which references to large media may point
    [pipeline]  bounds; what is left out follows from the cores
    [models]    names, directory, and how to identify
    [metrics]   host, port

Unknown keys are refused. `read_configuration` is the only place that looks at the environment:

    KATYDID_KAFKA_PASSWORD, KATYDID_INFLUX_TOKEN     the secret itself
    KATYDID_KAFKA_PASSWORD_FILE, …_TOKEN_FILE        a file that holds it, as container engines mount them
"""

from __future__ import annotations

import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from katydid.models.settings import IdentifySettings
from katydid.sensors.capture import Kind, Place
from katydid.streams.kafka.errors import ConfigurationError
from katydid.streams.tunables import MIB, PipelineSettings

MESSAGE_BYTES = 12 * MIB
"""Largest message, end to end: topics, producers and consumers agree on it. Media travel inline up to 8 MiB."""

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")]
"""What Kafka accepts as the name of a topic or group."""
Word = Annotated[str, Meta(min_length=1, max_length=255)]


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to reach the broker, and as whom."""

    servers: Annotated[tuple[str, ...], Meta(min_length=1)] = ("127.0.0.1:9092",)
    """HOST:PORT of one or more brokers of the cluster."""
    security: Literal["plaintext", "tls", "scram"] = "plaintext"
    """"tls" checks the broker's certificate; "scram" (SCRAM-SHA-512) also logs in, always over TLS."""
    user: str = ""
    """For "scram"; the password comes from KATYDID_KAFKA_PASSWORD."""
    ca_file: Path | None = None
    """PEM file of who signed the broker's certificate; None: the authorities that this machine trusts."""
    group: Name = "katydid"
    """Consumer group: workers that share it share the work."""
    instance_id: str = ""
    """A static member's name, one for each live process; "{hostname}" in it becomes this machine's. "": none."""
    session_s: Seconds = 45.0
    """A worker that is not heard of for so long loses its partitions."""
    heartbeat_s: Seconds = 3.0
    rebalance_s: Seconds = 120.0
    request_s: Seconds = 90.0
    commit_s: Seconds = 0.5
    """How often the offsets of what is durable are committed."""
    alive_s: Seconds = 30.0
    """A worker that neither fetched nor committed for so long, or has no partition, is not alive."""
    stop_s: Seconds = 20.0
    """Longest that an orderly stop may take before the process ends itself with 75."""

    @property
    def bootstrap(self) -> str:
        """The servers as clients take them: "HOST:PORT,HOST:PORT"."""
        return ",".join(self.servers)


class TopicSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The five topics, and how `katydid topics create` makes them."""

    frames: Name = "katydid.frames"
    clips: Name = "katydid.clips"
    health: Name = "katydid.health"
    outcomes: Name = "katydid.outcomes"
    deadletters: Name = "katydid.deadletters"
    partitions: Count = 12
    replication: Count = 1
    retention_days: Seconds = 7.0
    """Of frames, clips, health and outcomes: a longer backlog than this is lost."""
    deadletter_retention_days: Seconds = 30.0

    def of(self, kind: Kind) -> str:
        """The topic that captures of a kind travel on."""
        return self.frames if kind is Kind.FRAME else self.clips

    def inputs(self) -> tuple[str, ...]:
        """What a worker reads."""
        return (self.frames, self.clips, self.health)

    def all(self) -> tuple[str, ...]:
        """All five names."""
        return (self.frames, self.clips, self.health, self.outcomes, self.deadletters)


class SinkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where outcomes are kept besides their topic."""

    url: str = ""
    """influx+http://HOST:PORT/ORG/BUCKET, duckdb:///PATH, or "" for the topic alone."""
    sites: dict[Word, Word] = {}
    """Sensor → site, for InfluxDB: its tag `site`. A sensor that is not named is a site of its own."""


class MediaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where media over 8 MiB lie."""

    stores: tuple[str, ...] = ()
    """fsspec URLs (file:///mnt/media, s3://bucket/media): references that point elsewhere are refused. The first is
    where a producer writes."""
    tries: Count = 5
    """How often an object that is not there is asked for before its capture becomes a dead letter."""
    wait_s: Seconds = 1.0
    """First pause between two tries; it doubles."""
    at_once: Count = 4
    """How many are fetched at the same time by one worker."""


class PipelineBounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may differ from `PipelineSettings.for_this_machine`."""

    workers: Count | None = None
    """Threads; None: one a core."""
    max_mib: Count = 256
    """Encoded media in memory, MiB."""
    max_earlier_mib: Count = 128
    """Frames that later ones are compared with in memory, MiB: about one a camera."""
    max_items: Count = 256
    """Captures in flight: a rebalance or stop waits for them."""
    batch: Count = 8
    commit_items: Count = 1000
    commit_s: Seconds = 0.5
    gather_s: Seconds = 2.0
    """Instead of `commit_s` while there is a backlog."""

    def settings(self) -> PipelineSettings:
        """The pipeline's own record."""
        return msgspec.structs.replace(
            PipelineSettings.for_this_machine(self.workers),
            max_bytes=self.max_mib * MIB,
            max_earlier_bytes=self.max_earlier_mib * MIB,
            max_items=self.max_items,
            batch=self.batch,
            commit_items=self.commit_items,
            commit_s=self.commit_s,
            gather_s=self.gather_s,
        )


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which bundles identify, and how."""

    names: tuple[str, ...] = ()
    """Names or paths of bundles; empty: all that fit the media."""
    directory: Path | None = None
    """Folder of added bundles; None: this user's."""
    place: Place | None = None
    """For captures that carry none."""
    identify: IdentifySettings = IdentifySettings()


class MetricsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where /metrics, /healthz and /readyz are served."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] | None = 9477
    """0: any free one, named in the log."""


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """Never written anywhere: its repr names what is there, not what it is."""

    kafka_password: str = ""
    influx_token: str = ""

    def __repr__(self) -> str:
        given = [name for name in self.__struct_fields__ if getattr(self, name)]
        return f"Secrets({', '.join(given)})"


class Configuration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it."""

    kafka: KafkaSettings = KafkaSettings()
    topics: TopicSettings = TopicSettings()
    sink: SinkSettings = SinkSettings()
    media: MediaSettings = MediaSettings()
    pipeline: PipelineBounds = PipelineBounds()
    models: ModelSettings = ModelSettings()
    metrics: MetricsSettings = MetricsSettings()
    secrets: Secrets = Secrets()


_SECRETS = {"kafka_password": "KATYDID_KAFKA_PASSWORD", "influx_token": "KATYDID_INFLUX_TOKEN"}


def read_configuration(path: Path | None, environ: Mapping[str, str]) -> Configuration:
    """The configuration of a file (None: all defaults) with the secrets of an environment.

    Raises ConfigurationError that names file, section and key.
    """
    written = {} if path is None else _toml(path)
    place = "the configuration" if path is None else str(path)
    if "secrets" in written:
        raise ConfigurationError(f"{place}: secrets do not belong in a file of settings: {_where_secrets()}")
    try:
        read = msgspec.convert(written, Configuration, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{place}: {error}. docs/kafka.md lists every key") from error
    whole = with_instance(msgspec.structs.replace(read, secrets=_secrets(environ)), read.kafka.instance_id)
    _check(whole, place)
    return whole


def with_instance(configuration: Configuration, name: str) -> Configuration:
    """The same as another static member; "{hostname}" in its name becomes this machine's."""
    kafka = msgspec.structs.replace(configuration.kafka, instance_id=name.replace("{hostname}", socket.gethostname()))
    return msgspec.structs.replace(configuration, kafka=kafka)


def with_sink(configuration: Configuration, url: str) -> Configuration:
    """The same with another store. Raises ConfigurationError."""
    changed = msgspec.structs.replace(configuration, sink=msgspec.structs.replace(configuration.sink, url=url))
    _check(changed, "--sink")
    return changed


def _path(kind: type, value: object) -> object:
    """TOML has no paths: they are text there."""
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError(f"a path is text, not {value!r}")


def _toml(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no TOML: {error}") from error


def _secrets(environ: Mapping[str, str]) -> Secrets:
    return Secrets(**{name: _secret(variable, environ) for name, variable in _SECRETS.items()})


def _secret(variable: str, environ: Mapping[str, str]) -> str:
    if variable in environ:
        return environ[variable]
    file = environ.get(f"{variable}_FILE")
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{variable}_FILE names {file}, which cannot be read: {error}") from error


def _where_secrets() -> str:
    return " and ".join(f"set {variable} or {variable}_FILE" for variable in _SECRETS.values())


def _check(configuration: Configuration, place: str) -> None:
    """What one key alone cannot tell. Raises ConfigurationError."""
    kafka, topics = configuration.kafka, configuration.topics
    for server in kafka.servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdigit():
            raise ConfigurationError(f"{place}: kafka.servers: {server!r} is not HOST:PORT")
    if kafka.security == "scram" and not (kafka.user and configuration.secrets.kafka_password):
        raise ConfigurationError(
            f'{place}: security = "scram" needs kafka.user and a password: set KATYDID_KAFKA_PASSWORD or '
            "KATYDID_KAFKA_PASSWORD_FILE"
        )
    if kafka.user and kafka.security != "scram":
        raise ConfigurationError(f'{place}: kafka.user is used by security = "scram" alone')
    if not 3 * kafka.heartbeat_s <= kafka.session_s < kafka.request_s < kafka.rebalance_s:
        raise ConfigurationError(
            f"{place}: kafka timeouts must keep 3 × heartbeat_s <= session_s < request_s < rebalance_s; they are "
            f"{kafka.heartbeat_s:g}, {kafka.session_s:g}, {kafka.request_s:g} and {kafka.rebalance_s:g}"
        )
    if len(set(topics.all())) != len(topics.all()):
        raise ConfigurationError(f"{place}: [topics] names one topic twice: {', '.join(topics.all())}")
    scheme = configuration.sink.url.partition(":")[0]
    if configuration.sink.url and scheme not in ("influx+http", "influx+https", "duckdb"):
        raise ConfigurationError(
            f"{place}: sink.url {_public(configuration.sink.url)!r} is neither influx+http://HOST:PORT/ORG/BUCKET nor "
            "duckdb:///PATH"
        )


def _public(url: str) -> str:
    """A URL as it may be shown: whole, or its scheme alone where the rest may hold a password or token."""
    scheme, separator, _ = url.partition("://")
    if not set("@?#") & set(url):
        return url
    return f"{scheme}://…" if separator else "…"

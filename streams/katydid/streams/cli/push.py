"""`katydid push SOURCE --to kafka://…`: send what a folder holds to the workers, and go on where it stopped."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from katydid.sensors.capture import Place
    from katydid.sensors.sources.folder import FolderScan
    from katydid.sensors.sources.protocol import Source
    from katydid.sensors.uplink.health import PushHealth
    from katydid.sensors.uplink.journal import PushJournal
    from katydid.sensors.uplink.kafka import KafkaUplinkSettings
    from katydid.sensors.uplink.pushing import Push, PushProgress
    from katydid.streams.kafka.configuration import Configuration

SIMULATED = "simulated:"
SCHEME = "kafka://"
NOT_ALL_SENT = 7
"""Exit code: something was left out, as when the broker refuses."""


def push(
    source: str = typer.Argument(
        ..., metavar="SOURCE", help='Folder with recordings and frames, or "simulated:seed=1,hours=2".'
    ),
    to: str = typer.Option("", "--to", metavar="kafka://HOST:PORT[,…]/", help="Brokers. Default: the configuration's."),
    config: Path | None = typer.Option(
        None, "--config", help="TOML with [kafka], [topics] and [media]; the same file as the worker's."
    ),
    media_store: str = typer.Option(
        "", "--media-store", metavar="URL", help="Where media over 8 MiB go: file:///SHARED/FOLDER, s3://BUCKET/PATH."
    ),
    as_flac: bool = typer.Option(
        False, "--as-flac", help="Send WAV over 8 MiB as FLAC: the same samples, fewer bytes."
    ),
    follow: bool = typer.Option(False, "--follow", help="Go on watching the folder for new files until Ctrl-C."),
    sensor: str | None = typer.Option(None, "--sensor", help="The sensor's name, where files carry no serial number."),
    timezone: str | None = typer.Option(
        None, "--timezone", help='Zone of clocks without one: "Europe/Paris", "+02:00".'
    ),
    lat: float | None = typer.Option(None, "--lat", min=-90, max=90, help="Degrees north, where files have no place."),
    lon: float | None = typer.Option(None, "--lon", min=-180, max=180, help="Degrees east."),
    state: Path | None = typer.Option(
        None, "--state", metavar="FILE", help="Where it is noted what was sent. Default: in FOLDER.katydid."
    ),
    in_flight: int = typer.Option(16, "--in-flight", min=1, max=64, metavar="MIB", help="Sent, not yet acknowledged."),
    health_every: float = typer.Option(
        300.0, "--health-every", min=0, metavar="SECONDS", help="How often this push says how it stands; 0: never."
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress; warnings and errors only."),
) -> None:
    """Send recordings and frames to Kafka, for workers to identify.

    A second run sends only what is new. Killed at any moment, the next run goes on; workers keep nothing twice.
    The password comes from KATYDID_KAFKA_PASSWORD. Nothing filters people's voices or faces yet: what is there is sent.

    Example:  katydid push ~/moorland --to kafka://broker:9092/ --timezone Europe/Dublin
    """
    if (lat is None) != (lon is None):
        raise typer.BadParameter("--lat and --lon go together")
    if follow and source.startswith(SIMULATED):
        raise typer.BadParameter("a simulated night ends: --follow is for folders", param_hint="--follow")
    from katydid.sensors.capture import Place
    from katydid.streams.kafka.configuration import read_configuration

    _check_installed()
    configuration = read_configuration(config, os.environ)
    place = None if lat is None or lon is None else Place(latitude=lat, longitude=lon, source="option")
    rest = Rest()
    with _journal(source, state) as journal:
        captures = _source(source, journal, rest, sensor=sensor, zone=timezone, place=place, follow=follow)
        settings = uplink_settings(configuration, servers(to), in_flight)
        stores = (media_store,) if media_store else configuration.media.stores
        _go(
            captures, journal, rest, settings, stores,
            flac=as_flac, quiet=quiet, name=source, health_every_s=health_every,
        )  # fmt: skip


def _check_installed() -> None:
    from importlib.util import find_spec

    from katydid.sensors.errors import UplinkError

    if find_spec("confluent_kafka") is None:
        raise UplinkError("push needs the kafka extra: pip install 'katydid[kafka]'")


def servers(to: str) -> tuple[str, ...]:
    """The brokers of kafka://HOST:PORT,HOST:PORT/; empty where nothing was said."""
    if not to:
        return ()
    named = tuple(word for word in to.removeprefix(SCHEME).rstrip("/").split(",") if word)
    if not to.startswith(SCHEME) or not named or any(not _is_server(word) for word in named):
        raise typer.BadParameter(f"{to!r} names no brokers: kafka://HOST:PORT/", param_hint="--to")
    return named


def _is_server(word: str) -> bool:
    host, _, port = word.rpartition(":")
    return bool(host) and "/" not in host and "@" not in host and port.isascii() and port.isdigit()


def uplink_settings(configuration: Configuration, named: tuple[str, ...], in_flight_mib: int) -> KafkaUplinkSettings:
    """What the uplink is told of a configuration."""
    from katydid.sensors.limits import MIB
    from katydid.sensors.uplink.kafka import KafkaUplinkSettings

    kafka, topics = configuration.kafka, configuration.topics
    return KafkaUplinkSettings(
        servers=named or kafka.servers,
        security=kafka.security,
        user=kafka.user,
        password=configuration.secrets.kafka_password,
        ca_file=kafka.ca_file,
        frames=topics.frames,
        clips=topics.clips,
        health=topics.health,
        in_flight_bytes=in_flight_mib * MIB,
    )


def _journal(source: str, state: Path | None) -> PushJournal:
    """Beside the folder; a simulated night can be drawn again, and is noted only where --state says so."""
    from katydid.sensors.uplink.journal import NAME, PushJournal
    from katydid.streams.local import checked_folder
    from katydid.streams.outputs import Outputs

    if state is not None:
        return PushJournal(state)
    if source.startswith(SIMULATED):
        return PushJournal(Path(":memory:"))
    return PushJournal(Outputs.beside(checked_folder(Path(source)), None).directory / NAME)


class Rest:
    """What a folder that is followed does between two looks: the push goes on taking in what is acknowledged."""

    push: Push | None = None

    def __call__(self, stop: Event, seconds: float) -> None:
        if self.push is None:
            stop.wait(seconds)
        else:
            self.push.rest(seconds)


def _source(
    source: str,
    journal: PushJournal,
    rest: Rest,
    *,
    sensor: str | None,
    zone: str | None,
    place: Place | None,
    follow: bool,
) -> Source:
    """The source, with the name, sensor, zone and place that the first push gave."""
    import msgspec

    from katydid.sensors.capture import Place
    from katydid.sensors.sources.folder import FolderSource
    from katydid.streams.local import checked_folder

    if source.startswith(SIMULATED):
        return _simulated(source.removeprefix(SIMULATED))
    folder = checked_folder(Path(source))
    kept = journal.remembered("place", None if place is None else msgspec.json.encode(place).decode())
    return FolderSource(
        folder,
        sensor=journal.remembered("sensor", sensor),
        name=journal.remembered("folder_name", None) or journal.remembered("folder_name", folder.name or "root"),
        zone=journal.remembered("zone", zone),
        place=None if kept is None else msgspec.json.decode(kept, type=Place),
        follow=follow,
        wait=rest,
    )


def _simulated(words: str) -> Source:
    """What "seed=1,hours=2" or "preset=deployment,stations=3" asks for."""
    from katydid.sensors.sources.simulated.presets import simulated_source

    try:
        return simulated_source(words)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="SOURCE") from exc


def _go(
    source: Source,
    journal: PushJournal,
    rest: Rest,
    settings: KafkaUplinkSettings,
    stores: tuple[str, ...],
    *,
    flac: bool,
    quiet: bool,
    name: str,
    health_every_s: float,
) -> None:
    from katydid.sensors.media_store import open_media_store
    from katydid.sensors.sources.folder import FolderSource
    from katydid.sensors.uplink.kafka import KafkaUplink
    from katydid.sensors.uplink.pushing import Push
    from katydid.streams.cli.interrupts import interruptible
    from katydid.streams.cli.screen import console, note

    scan = source.scan() if isinstance(source, FolderSource) else None
    store = open_media_store(stores[0]) if stores else None
    screen = console()
    with interruptible(), progress_bar(scan.bytes if scan else None, quiet=quiet) as bar:

        def watch(progress: PushProgress) -> None:
            bar.update(bar.task_ids[0], completed=progress.acknowledged_bytes, description=line(progress))

        uplink = KafkaUplink(settings)
        health = _health(source, journal, scan, health_every_s) if health_every_s else None
        pushing = Push(source, uplink, watch=watch, notify=note, journal=journal, store=store, flac=flac, health=health)
        rest.push = pushing
        interrupted = not _ran(pushing)
    if not quiet:
        screen.print(summary(pushing.progress, name))
    _leave(pushing, interrupted=interrupted)


def _health(source: Source, journal: PushJournal, scan: FolderScan | None, every_s: float) -> PushHealth:
    """Readings under the name that captures without a serial number have too; a simulated night is "simulated"."""
    from katydid.sensors.sources.folder import FolderSource
    from katydid.sensors.uplink.health import PushHealth

    if not isinstance(source, FolderSource):
        return PushHealth("simulated", None, every_s=every_s)
    name = journal.remembered("sensor", None) or journal.remembered("folder_name", None) or "sensor"
    return PushHealth(name, source.root, total=0 if scan is None else scan.files, every_s=every_s)


def _ran(pushing: Push) -> bool:
    """Whether it came to its end."""
    try:
        pushing.run()
    except KeyboardInterrupt:
        return False
    return True


def _leave(pushing: Push, *, interrupted: bool) -> None:
    from katydid.streams.cli import INTERRUPTED
    from katydid.streams.cli.screen import note

    if interrupted:
        note("interrupted: what was acknowledged is noted. The same command goes on.")
        raise typer.Exit(INTERRUPTED)
    if pushing.progress.left_out:
        raise typer.Exit(NOT_ALL_SENT)


def progress_bar(total: int | None, *, quiet: bool) -> Progress:
    """Bytes acknowledged of the bytes in the folder, on a terminal."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from katydid.streams.cli.screen import console

    screen = console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=screen, transient=True, disable=quiet or not screen.is_terminal)
    bar.add_task("connecting", total=total)
    return bar


def line(progress: PushProgress) -> str:
    """One live line."""
    from katydid.streams.cli.screen import safe

    words = f"{progress.acknowledged:,} acknowledged, {progress.in_flight:,} on the way"
    return f"{words}; {safe(progress.trouble)}" if progress.trouble else words


def summary(progress: PushProgress, name: str) -> str:
    """What a person reads at the end."""
    from katydid.sensors.limits import MIB
    from katydid.streams.cli.screen import safe
    from katydid.streams.report.text import count, duration

    left = f" {count(progress.left_out, 'capture')} left out: see above." if progress.left_out else ""
    if not progress.acknowledged:
        return f"Nothing new in {safe(name)}.{left}" if not progress.left_out else f"Nothing was sent.{left}"
    return (
        f"{count(progress.acknowledged, 'capture')} acknowledged, {progress.acknowledged_bytes / MIB:,.1f} MiB in "
        f"{duration(max(progress.elapsed_s, 0.1))} ({progress.bytes_per_s / 1e6:,.1f} MB/s); "
        f"{progress.stored:,} with their media in the store, {progress.flac:,} as FLAC.{left}"
    )

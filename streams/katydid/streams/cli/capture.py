"""`katydid capture camera | recorder | devices`: sensors that are plugged in or on the network, into a folder."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from katydid.sensors.sources.camera_stream import Address
    from katydid.sensors.sources.live_folder import LiveFolder

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
PASSWORD = "KATYDID_CAMERA_PASSWORD"
_EVERY_S = 10.0
_SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")


@app.command()
def camera(
    address: str = typer.Argument(
        ..., metavar="CAMERA", help="Number of a device (0), rtsp:// or http:// address, or a video file."
    ),
    out: Path = typer.Option(..., "--out", metavar="FOLDER", help="Where frames go: FOLDER/SENSOR/DAY/."),
    every: float | None = typer.Option(
        None, "--every", min=0.04, metavar="SECONDS", help="A frame each so many seconds. Default: 10, unless --motion."
    ),
    motion: bool = typer.Option(False, "--motion", help="A frame when something moves."),
    motion_area: float = typer.Option(
        0.01, "--motion-area", min=0.001, max=50, metavar="PERCENT", help="Of the picture that must have changed."
    ),
    motion_rest: float = typer.Option(
        1.0, "--motion-rest", min=0, metavar="SECONDS", help="Least time between two frames that motion takes."
    ),
    frozen: float = typer.Option(
        10.0, "--frozen", min=0.5, metavar="SECONDS", help="The same picture bit by bit for so long stands still."
    ),
    sensor: str | None = typer.Option(None, "--sensor", help="The camera's name. Default: from this machine and it."),
    quality: int = typer.Option(92, "--quality", min=50, max=100, help="Of JPEGs that are encoded here."),
    size: str = typer.Option("", "--size", metavar="1920x1080", help="To ask a device for; it may give another."),
    start: str = typer.Option("", "--start", metavar="TIME", help="Of a video file: when it begins, ISO 8601."),
    timezone: str | None = typer.Option(None, "--timezone", help="Zone of names and times. Default: this machine's."),
    count: int | None = typer.Option(None, "--count", min=1, help="Stop after so many frames."),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No summary; warnings and errors only."),
) -> None:
    """Frames of a camera into a folder, at a fixed rate, when something moves, or both.

    A stream that ends is opened again, for ever. Ctrl-C ends it. Beside it, identify or send what comes:
    katydid run FOLDER --follow, katydid push FOLDER --follow --to kafka://… A password is best left out of the
    address (rtsp://USER@HOST/PATH) and set in KATYDID_CAMERA_PASSWORD.

    Example:  katydid capture camera 0 --every 10 --out ~/meadow

    Example:  katydid capture camera rtsp://user@192.168.1.20/stream1 --motion --out ~/meadow --sensor hive-east
    """
    import msgspec

    from katydid.sensors.sources.camera import Camera, CameraSettings
    from katydid.sensors.sources.camera_stream import read_address
    from katydid.sensors.sources.camera_watch import MotionSettings
    from katydid.streams.cli.interrupts import asked_to_stop
    from katydid.streams.cli.screen import note

    where = msgspec.structs.replace(read_address(address, password=_password()), size=_size(size))
    settings = CameraSettings(
        address=where,
        every_s=every or (None if motion else _EVERY_S),
        motion=MotionSettings(share=motion_area / 100, rest_s=motion_rest) if motion else None,
        quality=quality,
        frozen_s=frozen,
        start_ns=None if where.live else _start(start, where, timezone),
        count=count,
    )
    name = sensor or (_host(where.name) if where.live else where.name)
    with _folder(out, name, timezone) as folder, asked_to_stop() as stop:
        health = Camera(settings, folder, note, stop=stop).run()
        _end(f"{health.kept:,} frames", str(folder.directory), health.words(), quiet=quiet, stopped=stop())


@app.command()
def recorder(
    device: str = typer.Argument(
        "", metavar="[DEVICE]", help="Name or number, of capture devices. Default: the system's."
    ),
    out: Path = typer.Option(..., "--out", metavar="FOLDER", help="Where clips go: FOLDER/SENSOR/DAY/."),
    clip: float = typer.Option(60.0, "--clip", min=0.1, metavar="SECONDS", help="Length of a clip."),
    rate: int = typer.Option(48_000, "--rate", min=8_000, max=500_000, metavar="HERTZ", help="Samples a second."),
    channels: int = typer.Option(1, "--channels", min=1, max=8, help="Microphones that the device has."),
    as_: str = typer.Option("flac", "--as", metavar="flac|wav", help="Of what kind the files are."),
    sensor: str | None = typer.Option(None, "--sensor", help="The recorder's name. Default: HOST-recorder."),
    timezone: str | None = typer.Option(None, "--timezone", help="Zone of names and times. Default: this machine's."),
    count: int | None = typer.Option(None, "--count", min=1, help="Stop after so many clips."),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No summary; warnings and errors only."),
) -> None:
    """Clips of a microphone into a folder, one after the other without a gap.

    Needs the extra record: pip install 'katydid[record]', and on Linux PortAudio (libportaudio2). Where samples are
    lost the clip ends and says so. Ctrl-C ends it and keeps the open clip. Beside it: katydid run FOLDER --follow.

    Example:  katydid capture recorder --clip 60 --out ~/meadow --sensor hedge-1

    Example:  katydid capture recorder "USB Audio" --rate 96000 --as wav --out ~/meadow
    """
    from katydid.sensors.sources.recorder import Recorder, RecorderSettings
    from katydid.sensors.sources.recorder_clips import SoundForm
    from katydid.streams.cli.interrupts import asked_to_stop
    from katydid.streams.cli.screen import note

    if as_ not in ("flac", "wav"):
        raise typer.BadParameter(f"{as_!r} is not one of flac, wav", param_hint="--as")
    settings = RecorderSettings(
        device=(int(device) if device.isdigit() else device) if device else None,
        form=SoundForm(sample_rate=rate, channels=channels),
        clip_s=clip,
        kept_as="wav" if as_ == "wav" else "flac",
        count=count,
    )
    with _folder(out, sensor or _host("recorder"), timezone) as folder, asked_to_stop() as stop:
        health = Recorder(settings, folder, note, stop=stop).run()
        _end(f"{health.kept:,} clips", str(folder.directory), health.words(), quiet=quiet, stopped=stop())


@app.command()
def devices() -> None:
    """Microphones that PortAudio finds: name, channels, and the rate that the device itself prefers.

    Example:  katydid capture devices
    """
    from katydid.sensors.sources.recorder import devices as microphones
    from katydid.streams.cli.screen import console, note, safe

    found = microphones()
    for name, channels, rate in found:
        console().print(f"{safe(name)}  {channels} channels, {rate:,.0f} Hz")
    if not found:
        note("there is no microphone that PortAudio can see")


def _folder(out: Path, sensor: str, timezone: str | None) -> LiveFolder:
    from katydid.sensors.clock import find_zone
    from katydid.sensors.sources.live_folder import LiveFolder

    return LiveFolder(out, sensor, zone=find_zone(timezone) if timezone else None)


def _password() -> str:
    """The camera's, from the environment, or from the file that it names."""
    from katydid.sensors.errors import SourceError

    file = os.environ.get(f"{PASSWORD}_FILE")
    if PASSWORD in os.environ or not file:
        return os.environ.get(PASSWORD, "")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{PASSWORD}_FILE names {file}, which cannot be read: {error}") from error


def _size(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    found = _SIZE.fullmatch(text)
    if not found:
        raise typer.BadParameter(f"{text!r}: WIDTHxHEIGHT is wanted, for example 1920x1080", param_hint="--size")
    return int(found[1]), int(found[2])


def _start(text: str, film: Address, timezone: str | None) -> int | None:
    """When a film begins, UTC ns: as the user says, else as its name does; None where neither does."""
    from katydid.sensors import clock
    from katydid.sensors.capture import ClockSource, Kind
    from katydid.sensors.metadata import file_name
    from katydid.sensors.metadata.records import iso_reading

    said = iso_reading(ClockSource.FILE_NAME, text) if text else None
    if text and said is None:
        raise typer.BadParameter(f"{text!r} is no time: 2026-06-01T12:00:00+02:00 is wanted", param_hint="--start")
    readings = (said,) if said else file_name.read(Path(film.shown).name, Kind.FRAME).readings
    return clock.resolve(readings, zone_option=timezone)[0] if readings else None


def _host(name: str) -> str:
    """A sensor's name that no other machine's has."""
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", socket.gethostname().partition(".")[0]).strip("-.") or "host"
    return f"{host}-{name}"[:64]


def _end(kept: str, where: str, trouble: str, *, quiet: bool, stopped: bool) -> None:
    from katydid.streams.cli import INTERRUPTED
    from katydid.streams.cli.screen import console, note, safe

    if not quiet:
        console().print(f"{kept} kept in {safe(where)}")
    if trouble:
        note(trouble)
    if stopped:
        raise typer.Exit(INTERRUPTED)

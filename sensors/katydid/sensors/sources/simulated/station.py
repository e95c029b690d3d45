"""The whole night, file by file in the order of time: as an iterator, as a source, or written into a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from katydid.sensors.capture import Kind
from katydid.sensors.sources.assembly import Assembly
from katydid.sensors.sources.protocol import Position, Taken
from katydid.sensors.sources.simulated import files, soundscape, trap_sheet
from katydid.sensors.sources.simulated.file import SimulatedFile
from katydid.sensors.sources.simulated.night import Night, Weather
from katydid.sensors.sources.simulated.truth import Truth, write_truth

MEDIA, TRUTH = "media", "truth.csv"
"""Names in the folder that `write_station` makes: the truth lies beside the media, not among them."""


class Station:
    """One recorder and one camera for one night."""

    def __init__(self, night: Night | None = None) -> None:
        self.night = night or Night()
        self._sheet = trap_sheet.Sheet(self.night)
        self._visits = trap_sheet.visits(self.night, np.random.default_rng([self.night.seed, 1]))

    def __len__(self) -> int:
        return len(self._schedule())

    def files(self) -> Iterator[SimulatedFile]:
        """Every file in the order of time. A clip that was cut off and an empty frame are among them, as in the field:
        the last clip of the night is truncated, and the frame before it has no bytes."""
        schedule = self._schedule()
        broken = {kind: max((i for i, (_, k) in enumerate(schedule) if k is kind), default=-1) for kind in Kind}
        for index, (hour, kind) in enumerate(schedule):
            made = self._clip(hour, index) if kind is Kind.CLIP else self._frame(hour, index)
            yield _spoilt(made) if index == broken[kind] else made

    def _schedule(self) -> list[tuple[float, Kind]]:
        night = self.night
        times = [(night.start_hour + second / 3600, Kind.CLIP) for second in _steps(night.hours, night.clip_every_s)]
        times += [(night.start_hour + second / 3600, Kind.FRAME) for second in _steps(night.hours, night.frame_every_s)]
        return sorted(times, key=lambda each: (each[0], each[1].value))

    def _clip(self, hour: float, index: int) -> SimulatedFile:
        night = self.night
        heard = soundscape.soundscape(night, hour, np.random.default_rng([night.seed, 2, index]))
        at, temperature = night.moment(hour), night.temperature_c(hour)
        name = f"{files.RECORDER_SERIAL}/{at:%Y%m%d_%H%M%S}.wav"
        position = (night.place.latitude, night.place.longitude)
        return SimulatedFile(
            name=name,
            kind=Kind.CLIP,
            data=files.wav(heard.samples, night.sample_rate, at, temperature, position),
            truth=_heard(name, heard, temperature),
        )

    def _frame(self, hour: float, index: int) -> SimulatedFile:
        night = self.night
        pixels, seen = self._sheet.frame(hour, self._visits, np.random.default_rng([night.seed, 3, index]))
        at = night.moment(hour)
        name = f"{files.CAMERA_SERIAL}/SIM_{at:%Y%m%d_%H%M%S}.jpg"
        truth = tuple(_sitting(name, each, night.frame_size) for each in seen)
        return SimulatedFile(
            name=name,
            kind=Kind.FRAME,
            data=files.jpeg(pixels, at),
            truth=truth or (Truth(file=name, kind="frame"),),
        )


class SimulatedSource:
    """A `Source` over a simulated night, without a folder: the same captures as a folder source takes from what
    `write_station` writes. The truth of what was handed out gathers in `truth`, apart from the captures."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.truth: list[Truth] = []
        self._assembly = Assembly(name="simulated", zone=str(station.night.moment(0.0))[-6:])

    def captures(self, settled: Callable[[Position], bool]) -> Iterator[Taken]:
        """Every file of the night whose position `settled` does not know."""
        for file in self.station.files():
            digest = file.sha256
            position = Position(source="simulated", partition=file.name, mark=digest)
            if settled(position):
                continue
            self.truth.extend(file.truth)
            yield Taken(capture=file.capture(self._assembly, digest), position=position)

    def durable(self, position: Position) -> None:
        """Nothing to do: the night can be drawn again."""


def write_station(
    station: Station,
    folder: Path,
    watch: Callable[[int, int], None] = lambda done, of: None,
    truth_file: Path | None = None,
) -> Path:
    """Write the night's media below `folder`/media and its truth to `folder`/truth.csv or the file given; returns the
    media folder."""
    media = folder / MEDIA
    truth: list[Truth] = []
    for number, file in enumerate(station.files(), 1):
        path = media / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        truth.extend(file.truth)
        watch(number, len(station))
    write_truth(truth_file or folder / TRUTH, truth)
    return media


def _steps(hours: float, every_s: float) -> Iterator[float]:
    """Seconds from the start, ends included."""
    for number in range(int(hours * 3600 / every_s) + 1):
        yield number * every_s


def _heard(name: str, heard: soundscape.Soundscape, temperature_c: float) -> tuple[Truth, ...]:
    notes = [heard.weather.value] if heard.weather is not Weather.CALM else []
    note = " ".join([*notes, *(["bird"] if heard.bird else [])])
    rows = tuple(
        Truth(
            file=name,
            kind="clip",
            taxon=each.species,
            start_s=round(each.start_s, 3),
            end_s=round(each.end_s, 3),
            snr_db=round(each.snr_db, 1),
            temperature_c=round(temperature_c, 1),
            note=note,
        )
        for each in heard.sung
    )
    return rows or (Truth(file=name, kind="clip", temperature_c=round(temperature_c, 1), note=note),)


def _sitting(name: str, seen: trap_sheet.Seen, size: tuple[int, int]) -> Truth:
    return Truth(
        file=name,
        kind="frame",
        taxon=seen.visit.shape.value,
        individual=seen.visit.individual,
        box_x=round(seen.x / size[0], 5),
        box_y=round(seen.y / size[1], 5),
        box_w=round(seen.w / size[0], 5),
        box_h=round(seen.h / size[1], 5),
    )


def _spoilt(made: SimulatedFile) -> SimulatedFile:
    """The clip cut off in its header, the frame without any bytes: what is in them cannot be found."""
    note = "truncated" if made.kind is Kind.CLIP else "empty"
    data = files.truncated(made.data)[:40] if made.kind is Kind.CLIP else b""
    return SimulatedFile(
        name=made.name, kind=made.kind, data=data, truth=(Truth(file=made.name, kind=made.kind.value, note=note),)
    )

"""The sensors of a deployment: what each records, when its files arrive, how its clock stamps them, what goes wrong.

A file is known before it is drawn (`Due`): when it arrives, which sensor it is of, its number. Drawing it is a function
of the plan, the sensor and that moment alone, so it does not matter who draws what in which order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from katydid.sensors.capture import Deployment, Kind
from katydid.sensors.sources.simulated import files
from katydid.sensors.sources.simulated.cameras import Camera, CameraScene, SimulatedFrame, chance
from katydid.sensors.sources.simulated.cameras.stamp import stamped
from katydid.sensors.sources.simulated.community import key_of
from katydid.sensors.sources.simulated.faults import UNKNOWABLE, Fault, misnamed, spoilt
from katydid.sensors.sources.simulated.file import SimulatedFile
from katydid.sensors.sources.simulated.recorders import Choir, Clip, HeardSong, Recorder, RecorderScene, Scene
from katydid.sensors.sources.simulated.recorders.microphone import lost_buffers
from katydid.sensors.sources.simulated.recorders.singers import SEASONS
from katydid.sensors.sources.simulated.stations import Site
from katydid.sensors.sources.simulated.truth import Truth

_CLOCK, _FAULT, _COPY, _LATENCY, _GAPS = range(43, 48)
_TOO_LOUD = 10.0 ** (30.0 / 20.0)
_FLAT = 0.01
_FOLDER_FILES = 10_000


class Due(msgspec.Struct, frozen=True, gc=False):
    """A file that is due to arrive; drawn when asked."""

    arrives: float
    """Seconds since 1970."""
    order: int
    """The sensor's place in the deployment."""
    number: int
    """Of the sensor's files, from 0; those that a device without power did not take are counted too."""
    copy: int
    """0, or 1 for the second arrival of the same bytes."""
    at: float
    """The true time of the frame, or of the clip's first sample."""
    sensor: Sensor

    @property
    def key(self) -> tuple[float, int, int, int]:
        """The order of arrival."""
        return self.arrives, self.order, self.number, self.copy

    @property
    def name(self) -> str:
        """Below the media folder; known without drawing."""
        return self.sensor.name_of(self)

    def file(self) -> SimulatedFile:
        """The bytes and the truth."""
        return self.sensor.drawn(self)


class Sensor(ABC):
    """One recorder or camera of a site; `order` is its place in the deployment."""

    kind: Kind
    ending: str

    def __init__(self, site: Site, order: int, suffix: str) -> None:
        self.site, self.plan, self.order = site, site.plan, order
        self.sensor_id = f"{site.name}-{suffix}"
        self.key = chance.mixed(self.plan.seed, key_of(self.sensor_id))
        self.clock = self.plan.clocks.clock(self.plan.begins, self.plan.days, self.key, _CLOCK)
        self._latency_s = 2.0 + 20.0 * chance.uniform(self.key, _LATENCY)

    def due(self) -> Iterator[Due]:
        """Every file in the order in which it arrives; none is drawn."""
        for number, (at, ready) in enumerate(self._moments()):
            if not self.clock.is_on(at):
                continue
            arrives = self.site.arrival(ready, self._latency_s)
            yield Due(arrives, self.order, number, 0, at, self)
            if chance.uniform(self.key, _COPY, number) < self.plan.duplicates:
                yield Due(arrives, self.order, number, 1, at, self)

    def name_of(self, due: Due) -> str:
        """SENSOR/FILE; what was written after a clock lost power or was set lies in a folder of its own, as do copies,
        for the digits may come again."""
        run = self.clock.run_of(due.at)
        folders = [self.sensor_id, *(["copy"] if due.copy else []), *([f"run{run}"] if run else [])]
        return misnamed(self.fault(due.number), "/".join([*folders, f"{self._stem(due)}.{self.ending}"]))

    def drawn(self, due: Due) -> SimulatedFile:
        """The file, spoilt as it is to be, with its truth."""
        fault, name = self.fault(due.number), due.name
        data, rows, notes = self._draw(due, fault)
        if fault is not None:
            notes = [fault.value, *notes]
        if fault in UNKNOWABLE:
            rows, notes = [], notes[:1]
        about = {
            "file": name,
            "sensor": self.sensor_id,
            "at": datetime.fromtimestamp(due.at, UTC).isoformat(timespec="milliseconds"),
        }
        rows = rows or [Truth(file=name, kind=self.kind.value)]
        noted = [msgspec.structs.replace(row, note=" ".join([*notes, *row.note.split()]), **about) for row in rows]
        return SimulatedFile(
            name=name,
            kind=self.kind,
            data=spoilt(fault, data, self.key, _FAULT, due.number),
            truth=() if due.copy else tuple(noted),
            arrived=due.arrives,
        )

    def fault(self, number: int) -> Fault | None:
        """What goes wrong with the file of that number."""
        return self.plan.faults.of(self.kind, self.key, _FAULT, number)

    def reading(self, at: float) -> datetime:
        """What the device writes for a true time: its clock, in whole seconds, with the offset it was set to."""
        return datetime.fromtimestamp(int(self.clock.reading(at)), UTC).astimezone(self.site.zone)

    def deployment(self) -> Deployment:
        """Where and when it stood."""
        return Deployment(
            deployment_id=f"{self.sensor_id}:{self.plan.start:%Y-%m-%d}",
            sensor_id=self.sensor_id,
            place=self.site.place,
            zone=self.plan.zone,
            start=round(self.plan.begins * 1e9),
            end=round(self.plan.ends * 1e9),
            location_name=self.site.name,
            comments="simulated",
        )

    @abstractmethod
    def _moments(self) -> Iterator[tuple[float, float]]:
        """When each file begins and when it is finished, in order, seconds since 1970."""

    @abstractmethod
    def _stem(self, due: Due) -> str:
        """The file's name without its ending."""

    @abstractmethod
    def _draw(self, due: Due, fault: Fault | None) -> tuple[bytes, list[Truth], list[str]]:
        """Bytes, with the faults that are of sound and picture; the animals; what else there is to say of all."""


class RecorderSensor(Sensor):
    """A recorder and the males that live around it."""

    kind = Kind.CLIP
    ending = "wav"

    def __init__(self, site: Site, order: int, scene: RecorderScene) -> None:
        super().__init__(site, order, "REC")
        choirs = tuple(Choir(species=taxon, males=many) for taxon, many in site.abundance.items() if taxon in SEASONS)
        here = msgspec.structs.replace(
            scene, choirs=choirs, place=site.place, climate=self.plan.climate, station=site.number
        )
        self.recorder = Recorder(here, self.plan.seed, self.sensor_id)

    def _moments(self) -> Iterator[tuple[float, float]]:
        ends = datetime.fromtimestamp(self.plan.ends, UTC)
        for clip in self.recorder.clips(self.plan.start, ends):
            yield clip.at, clip.at + self.recorder.scene.clip_s

    def _stem(self, due: Due) -> str:
        return f"{self.reading(due.at):%Y%m%d_%H%M%S}"

    def _draw(self, due: Due, fault: Fault | None) -> tuple[bytes, list[Truth], list[str]]:
        scene = Clip(self.recorder, due.at).scene(self.plan.fidelity)
        if fault is Fault.DROPPED_SAMPLES:
            scene = _dropped(scene, np.random.default_rng([self.key, _GAPS, due.number]))
        elif fault is Fault.CLIPPED:
            scene = msgspec.structs.replace(scene, samples=np.clip(scene.samples * np.float32(_TOO_LOUD), -1.0, 1.0))
        elif fault is Fault.FLAT_LINE:
            scene = msgspec.structs.replace(scene, samples=np.full_like(scene.samples, _FLAT), songs=())
        temperature = self.site.temperature_c(due.at)
        rows = [_song_row(each, round(temperature, 1)) for each in scene.songs]
        return self._bytes(scene, due.at, temperature, fault), rows, list(scene.notes)

    def _bytes(self, scene: Scene, at: float, temperature_c: float, fault: Fault | None) -> bytes:
        if fault is Fault.NO_METADATA:
            return files.plain_wav(scene.samples, scene.sample_rate)
        place = (self.site.place.latitude, self.site.place.longitude)
        return files.wav(scene.samples, scene.sample_rate, self.reading(at), temperature_c, place, self.sensor_id)


class CameraSensor(Sensor):
    """A camera before one of the plan's scenes, with as many of each visitor as live at the site."""

    kind = Kind.FRAME
    ending = "jpg"

    def __init__(self, site: Site, order: int, scene: CameraScene) -> None:
        super().__init__(site, order, "CAM")
        visitors = tuple(
            msgspec.structs.replace(each, per_hour=each.per_hour * site.abundance.get(each.taxon, 1.0))
            for each in scene.visitors
        )
        look = site.number % self.plan.looks if scene.look is None else scene.look
        here = msgspec.structs.replace(scene, visitors=visitors, place=site.place, zone=self.plan.zone, look=look)
        self.camera = Camera(here, self.key >> 1, site.is_flying)

    def _moments(self) -> Iterator[tuple[float, float]]:
        ends = datetime.fromtimestamp(self.plan.ends, UTC)
        for frame in self.camera.frames(self.plan.start, ends):
            yield frame.moment, frame.moment

    def _stem(self, due: Due) -> str:
        return f"{100 + due.number // _FOLDER_FILES:03d}KATYD/IMG_{due.number % 1_000_000:06d}"

    def _draw(self, due: Due, fault: Fault | None) -> tuple[bytes, list[Truth], list[str]]:
        frame = SimulatedFrame(self.camera, due.at, 0)
        rows = [] if fault is Fault.BLACK_FRAME else self._rows(frame)
        if fault not in (Fault.BLACK_FRAME, Fault.NO_METADATA):
            return frame.jpeg(self.plan.fidelity, reading=self.reading(due.at), serial=self.sensor_id), rows, []
        pixels = frame.pixels(self.plan.fidelity)
        if fault is Fault.NO_METADATA:
            return _plain_jpeg(pixels, self.camera.scene.quality), rows, []
        black = _plain_jpeg(np.zeros_like(pixels), self.camera.scene.quality)
        return stamped(black, self.reading(due.at), self.sensor_id), rows, []

    def _rows(self, frame: SimulatedFrame) -> list[Truth]:
        return [
            Truth(
                file="",
                kind=self.kind.value,
                taxon=seen.taxon,
                individual=f"{self.sensor_id}:{seen.individual}",
                box_x=round(seen.box.x, 5),
                box_y=round(seen.box.y, 5),
                box_w=round(seen.box.w, 5),
                box_h=round(seen.box.h, 5),
                visible=round(seen.visible_share, 3),
                note=seen.manner,
            )
            for seen in frame.truth
        ]


def sensors_of(sites: Sequence[Site]) -> list[Sensor]:
    """All sensors in the order of their stations; a station's recorder stands before its camera."""
    found: list[Sensor] = []
    for site in sites:
        if site.plan.recorder is not None:
            found.append(RecorderSensor(site, len(found), site.plan.recorder))
        if site.plan.cameras:
            scene = site.plan.cameras[site.number % len(site.plan.cameras)]
            found.append(CameraSensor(site, len(found), scene))
    return found


def _song_row(heard: HeardSong, temperature_c: float) -> Truth:
    return Truth(
        file="",
        kind=Kind.CLIP.value,
        taxon=heard.species,
        individual=heard.individual,
        start_s=round(heard.onset_s, 3),
        end_s=round(heard.end_s, 3),
        snr_db=round(heard.snr_db, 1),
        over_everything_db=round(heard.over_everything_db, 1),
        channel=heard.channel,
        temperature_c=temperature_c,
    )


def _dropped(scene: Scene, rng: np.random.Generator) -> Scene:
    """The clip without some buffers; songs are where they are in what is left."""
    rate = scene.sample_rate
    lost = lost_buffers(scene.samples.shape[1], rate, rng)
    songs = tuple(
        msgspec.structs.replace(
            each,
            onset_s=lost.moved(round(each.onset_s * rate)) / rate,
            end_s=lost.moved(round(each.end_s * rate)) / rate,
        )
        for each in scene.songs
    )
    return msgspec.structs.replace(scene, samples=lost.cut(scene.samples), songs=songs)


def _plain_jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """RGB uint8 [H, W, 3] as a JPEG that says nothing of itself."""
    done, encoded = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a frame of shape {pixels.shape} could not be written as JPEG")
    return encoded.tobytes()

"""The embedded host: a folder, the pipeline and a DuckDB store in one process. `katydid run` is this module.

One thread reads the folder and fills the pipeline until it says that it is full, the pipeline's workers identify, its
writer commits, and the caller's thread watches. What is durable is settled: killed at any moment and started again,
a run goes on where it was, and ends with the same store as a run that nobody killed.

    FOLDER.katydid/detections.duckdb      the store
    FOLDER.katydid/detections.csv         one row a detection
    FOLDER.katydid/…/NAME.katydid.selections.txt   one Raven table a recording
    FOLDER.katydid/report.html            what was found, in one file
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from katydid.models.library import Library, default_library
from katydid.models.model import Model
from katydid.models.outcome import Outcome
from katydid.models.settings import IdentifySettings
from katydid.sensors.capture import Capture, ClockSource, Kind, Place, ZoneSource
from katydid.sensors.clock import find_zone
from katydid.sensors.errors import SourceError
from katydid.sensors.limits import Limits
from katydid.sensors.sources.folder import FolderSource
from katydid.sensors.sources.protocol import Position, Taken
from katydid.streams.chosen import chosen_bundles, fitting_bundles, looked_at, open_models
from katydid.streams.context import Situator
from katydid.streams.duplicates import Copy, Duplicates
from katydid.streams.outputs import STORE_FILE, Outputs
from katydid.streams.pipeline import Pipeline, Progress
from katydid.streams.process import settle_process
from katydid.streams.remembered import MadeWith, credits_of, keep, kept, kept_place, made_with, title_of
from katydid.streams.sink import Arrival
from katydid.streams.store import DuckDBStore, open_store
from katydid.streams.tunables import PipelineSettings, cores

WATCH_S = 0.2
"""How often the watcher is told, seconds."""
EXPORT_EVERY_S = 30.0
"""While following: shortest time between two writings of the tables and the report, seconds."""
EXPORT_REST = 10.0
"""A writing that took long is followed by a rest of as many times that."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a person may say about one run; everything but the folder has an answer of its own."""

    folder: Path
    out: Path | None = None
    models: tuple[str, ...] = ()
    """Names of bundles; empty: all that fit what is in the folder."""
    sensor: str | None = None
    zone: str | None = None
    place: Place | None = None
    identify: IdentifySettings = IdentifySettings()
    follow: bool = False
    title: str | None = None
    """Of the report; kept for later ones. None: made from the folder's name."""
    media: str = "none"
    """Crops and clips to keep beside the results: "all", "best" or "none"."""
    limits: Limits = Limits()
    pipeline: PipelineSettings = msgspec.field(default_factory=PipelineSettings.for_this_machine)


class RunProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stands."""

    files: int
    """Media files of the folder, known before it started; grows while following."""
    settled_before: int
    """Of these, how many an earlier run had settled."""
    pipeline: Progress
    elapsed_s: float
    reader_cpu_s: float
    cores: int

    @property
    def done(self) -> int:
        """Captures identified, empty or refused so far."""
        return self.pipeline.identified + self.pipeline.empty + self.pipeline.refused

    @property
    def rate(self) -> float:
        """Captures per second."""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def roofline_share(self) -> float:
        """Share of what this machine could do, 0..1: CPU time of reading, decoding and models, measured by thread
        clocks, over the wall clock times the cores. It is captures per second over cores / (p + m)."""
        available = self.elapsed_s * self.cores
        return min(1.0, (self.pipeline.cpu_s + self.reader_cpu_s) / available) if available > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds to go at the present rate; None before there is one."""
        left = self.files - self.settled_before - self.done
        return left / self.rate if self.rate > 0 and left >= 0 else None


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended."""

    progress: RunProgress
    outputs: Outputs
    nothing_new: bool
    interrupted: bool
    duplicates: int
    unnamed: dict[Kind, int]
    """Captures for whose kind there was no model: frames were searched by the localiser, clips not listened to."""
    other_files: int


Watch = Callable[[RunProgress], None]
Notify = Callable[[str], None]


def run_folder(options: RunOptions, *, library: Library | None = None, watch: Watch, notify: Notify) -> RunSummary:
    """Identify what is new in a folder and write the outputs.

    `watch` is called about five times a second, `notify` with one line for each thing that a person should know.
    Raises SourceError, ModelError, StoreError and ExportError; KeyboardInterrupt only where one comes during the
    orderly end of an interrupted run.
    """
    settle_process()
    folder = checked_folder(options.folder)
    if options.zone:
        find_zone(options.zone)  # Before the store keeps it.
    outputs = Outputs.beside(folder, options.out)
    if outputs.directory == folder:
        raise SourceError(f"{folder} holds the recordings: say another folder for the results with --out")
    library = library or default_library()
    if options.models:
        chosen_bundles(library, options.models)  # A wrong name leaves no empty store behind.
    with open_store(outputs.store) as store:
        run = LocalRun(options, folder, outputs, store, library, notify)
        return run.run(watch)


def checked_folder(folder: Path) -> Path:
    """The absolute path of a folder that can be identified. Raises SourceError that says what is wrong with it."""
    try:
        if not folder.exists():
            raise SourceError(f"there is no folder {folder}: check the path")
        if not folder.is_dir():
            raise SourceError(f"{folder} is a file: `katydid run` takes the folder that it lies in")
        if (folder / STORE_FILE).exists():
            raise SourceError(f"{folder} is what an earlier run wrote: give the folder with the recordings or frames")
        return folder.resolve()
    except OSError as error:
        raise SourceError(f"the folder {folder} cannot be read: {error.strerror or error}") from error


class LocalRun:
    """One run over one folder. Made by `run_folder`."""

    def __init__(
        self, options: RunOptions, folder: Path, outputs: Outputs, store: DuckDBStore, library: Library, notify: Notify
    ) -> None:
        options = msgspec.structs.replace(options, place=kept_place(store, options.place))
        self._options = options
        self._outputs = outputs
        self._store = store
        self._library = library
        self._notify = notify
        self._stop = threading.Event()
        self._settled = store.settled("folder")
        self._say_zone_changed()
        self._source = FolderSource(
            folder,
            sensor=kept(store, "sensor", options.sensor),
            name=kept(store, "folder_name", None) or keep(store, "folder_name", folder.name or "root"),
            zone=kept(store, "zone", options.zone),
            place=options.place,
            limits=options.limits,
            follow=options.follow,
            stop=self._stop,
            exclude=(outputs.directory,),
        )
        kept(store, "title", options.title)
        self._duplicates = Duplicates(store)
        self._zone_said = False
        self._unreadable_said: set[str] = set()
        self._named: frozenset[Kind] = frozenset()
        self._unnamed: Counter[Kind] = Counter()
        self._reader_cpu_s = 0.0
        self._reader_failure: Exception | None = None
        self._files = 0
        self._began = time.monotonic()

    def run(self, watch: Watch) -> RunSummary:
        """See `run_folder`."""
        self._files = self._source.scan().files
        self._say_unreadable()
        captures = self._source.captures(self._is_settled)
        first = None if self._options.follow else next(captures, None)
        if first is None and not self._options.follow:
            return self._nothing_new()
        models = open_models(chosen_bundles(self._library, self._options.models), slots=self._options.pipeline.workers)
        self._duplicates = Duplicates(self._store, _stored_ids(self._store))
        self._remember(models)
        self._store.set_meta("exported", "no")
        options = self._options
        situator = Situator.open(self._library, options.place, options.identify, slots=options.pipeline.workers)
        try:
            return self._identify(models, situator, _chained(first, captures), watch)
        finally:
            self._stop.set()
            for model in (*models, *situator.models()):
                model.close()

    # ------------------------------------------------------------------ parts of a run

    def _identify(
        self, models: Sequence[Model], situator: Situator, captures: Iterator[Taken], watch: Watch
    ) -> RunSummary:
        self._named = looked_at(models)
        self._began = time.monotonic()
        pipeline = Pipeline(
            models,
            self._store,
            self._options.pipeline,
            identify=self._options.identify,
            limits=self._options.limits,
            situate=self._situated(situator),
            durable=lambda arrivals: self._durable(pipeline, arrivals),
            earlier=self._store.earlier_frames,
        )
        reader = threading.Thread(target=self._read, args=(pipeline, captures), name="katydid-reader", daemon=True)
        interrupted = False
        with pipeline:
            reader.start()
            try:
                self._wait(pipeline, reader, watch)
            except KeyboardInterrupt:
                interrupted = True
                self._stop.set()
                pipeline.stop()
        reader.join()
        if self._reader_failure is not None:
            raise self._reader_failure
        if self._gone():
            raise self._lost()
        self._say_unreadable()
        self._say_masks_of_nobody()
        progress = self._progress(pipeline.progress())
        watch(progress)
        self._store.checkpoint()
        if not interrupted or self._options.follow:
            self._export()
        return self._summary(progress, interrupted=interrupted)

    def _read(self, pipeline: Pipeline, captures: Iterator[Taken]) -> None:
        """The reader's thread: from the folder into the pipeline."""
        try:
            for taken in captures:
                if self._stop.is_set():
                    return
                self._say_zone(taken.capture)
                self._take(pipeline, taken)
                self._reader_cpu_s = time.thread_time()
            pipeline.hurry()
        except Exception as error:  # noqa: BLE001 - a supervising loop: raised again by the run's own thread
            self._reader_failure = error
        finally:
            self._stop.set()

    def _take(self, pipeline: Pipeline, taken: Taken) -> None:
        if taken.capture.kind not in self._named and not taken.capture.refusal:
            self._unnamed[taken.capture.kind] += 1
        copy = self._duplicates.look(taken)
        if copy is Copy.NEW:
            pipeline.put_wait(taken)
        elif copy is Copy.STORED:
            pipeline.put_known_wait(taken)

    def _wait(self, pipeline: Pipeline, reader: threading.Thread, watch: Watch) -> None:
        """Watch until the folder is read and everything is durable; while following, write the outputs when idle."""
        export_from, exported = time.monotonic() + EXPORT_EVERY_S, -1
        while True:
            idle = pipeline.drain(WATCH_S)
            progress = pipeline.progress()
            watch(self._progress(progress))
            if idle and not reader.is_alive() and pipeline.drain(0.0):
                return
            if idle:
                reader.join(WATCH_S)
                if progress.durable != exported and time.monotonic() > export_from:
                    began = time.monotonic()
                    self._store.checkpoint()
                    self._export()
                    took, exported = time.monotonic() - began, progress.durable
                    export_from = time.monotonic() + max(EXPORT_EVERY_S, EXPORT_REST * took)

    def _durable(self, pipeline: Pipeline, arrivals: Sequence[Arrival]) -> None:
        """The writer's thread: the source is told, and copies of what is now stored are settled."""
        for arrival in arrivals:
            self._source.durable(arrival.position)
            for copy in self._duplicates.settled_by(arrival):
                pipeline.put_known(copy)

    def _situated(self, situator: Situator) -> Callable[[Outcome], Outcome]:
        """What a card that was pulled leaves behind is no outcome: the run stops before it is kept."""

        def situate(outcome: Outcome) -> Outcome:
            if outcome.reason == "unreadable" and self._gone():
                raise self._lost()
            return situator(outcome)

        return situate

    def _gone(self) -> bool:
        """Whether the folder went away under the run: unmounted, pulled out, or emptied."""
        try:
            with os.scandir(self._source.root) as entries:
                return next(entries, None) is None
        except OSError:
            return True

    def _lost(self) -> SourceError:
        return SourceError(
            f"{self._source.root} can be read no more (a card or drive that was taken out?): what is finished is kept. "
            "When it is back, the same command goes on"
        )

    def _nothing_new(self) -> RunSummary:
        self._say_made_otherwise()
        progress = self._progress(Progress.nothing())
        behind = self._store.unfollowed() > 0
        if behind or self._store.meta("exported") != "yes" or not self._outputs.complete():
            self._export()
        return self._summary(progress, interrupted=False)

    def _say_masks_of_nobody(self) -> None:
        """A slip of the pen in a sensor's name would leave it unmasked without a word."""
        there = set(self._store.sensors().column("sensor_id").to_pylist())
        for name in sorted({mask.sensor for mask in self._options.identify.masks} - there - {""}):
            self._notify(
                f"no sensor here is called {name!r}: its mask hid nothing. There are {', '.join(sorted(there))}"
            )

    # ------------------------------------------------------------------ models and memory of earlier runs

    def _say_made_otherwise(self) -> None:
        """Nothing is new, but it was asked for with other models or settings than it was made with: say so."""
        before = self._made_before()
        bundles = fitting_bundles(self._library, self._options.models) if before else []
        now = made_with(bundles, self._options.identify)
        if bundles and now not in before:
            self._notify(
                f"everything here was identified by {before[-1].words()} and stays as it is. To identify it by "
                f"{now.words()}: --out ANOTHER_FOLDER"
            )

    def _made_before(self) -> list[MadeWith]:
        return msgspec.json.decode(self._store.meta("made_with") or "[]", type=list[MadeWith])

    def _remember(self, models: Sequence[Model]) -> None:
        """Keep what this store was made with, and say so where an earlier run had other models or settings."""
        now = made_with([model.bundle for model in models], self._options.identify)
        before = self._made_before()
        others = [made for made in before if made != now]
        if others:
            self._notify(
                f"{self._outputs.directory} also holds results of {others[-1].words()}; they stay as they are, and "
                f"new files are identified by {now.words()}. To identify everything anew: --out ANOTHER_FOLDER"
            )
        if now not in before:
            self._store.set_meta("made_with", msgspec.json.encode([*before, now]).decode())
        manifests = {manifest.model: manifest for manifest in credits_of(self._store)}
        manifests |= {model.bundle.manifest.model: model.bundle.manifest for model in models}
        keep(self._store, "credits", msgspec.json.encode(list(manifests.values())).decode())
        keep(self._store, "root", str(self._source.root))

    def _is_settled(self, position: Position) -> bool:
        return self._settled.get(position.partition) == position.mark

    def _say_zone_changed(self) -> None:
        zone, before = self._options.zone, self._store.meta("zone")
        if zone and zone != before and self._settled:
            taken = before or "the zone of the computer, where they had none"
            self._notify(
                f"--timezone {zone} is for new files; the times of those identified before stay as they were taken, in "
                f"{taken}. To take them all anew: --out ANOTHER_FOLDER"
            )

    def _say_unreadable(self) -> None:
        for folder in self._source.unreadable_folders:
            if folder not in self._unreadable_said:
                self._unreadable_said.add(folder)
                self._notify(f"the folder {folder} cannot be read, and what is in it was left out: see its permissions")

    def _say_zone(self, capture: Capture) -> None:
        clock = capture.clock
        dated = clock.source not in (ClockSource.FILE_DATE, ClockSource.NONE)
        if dated and clock.zone_source is ZoneSource.ASSUMED and not self._zone_said:
            self._zone_said = True
            self._notify(
                f"times are recorded without an offset from UTC: taken as {clock.zone}, this machine's zone; "
                "if the sensor's clock kept another, give --timezone"
            )

    # ------------------------------------------------------------------ what comes out

    def _export(self) -> None:
        self._store.follow()
        self._outputs.write(
            self._store,
            root=self._source.root,
            credits=credits_of(self._store),
            title=title_of(self._store),
            media=self._options.media,
        )
        self._store.set_meta("exported", "yes")

    def _progress(self, pipeline: Progress) -> RunProgress:
        return RunProgress(
            files=max(self._files, len(self._settled) + pipeline.identified + pipeline.empty + pipeline.refused),
            settled_before=len(self._settled),
            pipeline=pipeline,
            elapsed_s=time.monotonic() - self._began,
            reader_cpu_s=self._reader_cpu_s,
            cores=cores(),
        )

    def _summary(self, progress: RunProgress, *, interrupted: bool) -> RunSummary:
        return RunSummary(
            progress=progress,
            outputs=self._outputs,
            nothing_new=progress.pipeline.taken == 0,
            interrupted=interrupted,
            duplicates=self._duplicates.count,
            unnamed=dict(self._unnamed),
            other_files=self._source.other_files,
        )


def _stored_ids(store: DuckDBStore) -> Iterator[str]:
    for rows in store.tuples("SELECT capture_id FROM outcome"):
        yield from (str(capture_id) for (capture_id,) in rows)


def _chained(first: Taken | None, rest: Iterator[Taken]) -> Iterator[Taken]:
    if first is not None:
        yield first
    yield from rest

"""The pipeline: captures in, durable outcomes out, for any host.

    put ─▶ waiting ─▶ decode and prepare ─▶ batches ─▶ model ─▶ … ─▶ outcome ─▶ situate ─▶ in order ─▶ writer ─▶ sink
           (bounded)   (open_at_once)       (Batcher)                             (by partition)  (one thread)   │
    host ◀──────────────────────────── durable(position) ◀───────────────────────────────────────────────────────┘

One pool of threads, one a core, does all the work that releases the GIL. A free thread takes, in
this order: a batch for a model (what is decoded leaves memory first), a capture whose answers are back, a new capture.
So a model never waits for a timer, decoding fills every gap, and one long recording keeps all cores busy because its
windows become batches over all of them. Every hand-over happens under one lock, for microseconds.

What holds, whatever arrives:

- Bytes and captures in flight are bounded by `PipelineSettings`; `put` waits.
- One capture ends as one outcome. An item that no engine can run fails alone (batches are bisected) and refuses its
  capture; the others of its batch are not touched.
- Outcomes are written in the order of their captures within a partition, and acknowledged after they are durable.
- A frame is compared with those that came before it from its own camera, whichever was decoded first; outcomes of one
  camera are written in the order of its frames, and the sink is handed the frames that later ones need.
- An exception that nobody expected (a bug, a full disk) stops everything before any further acknowledgement, and is
  raised to the host from `put`, `drain` or `close`.

The pipeline knows no broker and no database: a `Sink` and a callback.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from katydid.models.batching import Lane
from katydid.models.errors import EngineError
from katydid.models.identify import Look, LookFailed, Question, Reply, compares, identification
from katydid.models.image.earlier import Earlier, Reduced
from katydid.models.manifest import BundleKind
from katydid.models.model import Model, Seen
from katydid.models.outcome import Outcome, Status, outcome_of
from katydid.models.settings import IdentifySettings
from katydid.models.sound.windows import grid_for
from katydid.sensors.capture import Capture, Kind
from katydid.sensors.limits import Limits
from katydid.sensors.sources.protocol import Taken
from katydid.streams.earlier import EarlierFrames, Load, Place
from katydid.streams.looks import OpenLook
from katydid.streams.order import InOrder, Turn
from katydid.streams.sink import Arrival, Sink
from katydid.streams.slots import Engines, Work
from katydid.streams.tunables import PipelineSettings
from katydid.streams.writer import Writer

Identification = Generator[Question, Reply, Outcome]
Situate = Callable[[Outcome], Outcome]
Refused = Callable[[Taken, Outcome], None]


@dataclass(eq=False, slots=True)
class _Job:
    """One capture under way."""

    taken: Taken
    turn: Turn
    nbytes: int
    lane: Lane
    place: Place | None = None
    """Of a frame that is compared with others: its place in the sequence of its camera."""
    frame: Reduced | None = None
    before: Earlier | None = None
    """The frames before it, as soon as they are known and until they are handed over."""
    steps: Identification | None = None
    answer: OpenLook | None = None
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the pipeline stands; counts since it started."""

    taken: int
    identified: int
    empty: int
    refused: int
    durable: int
    bytes_in_flight: int
    seen_items: int
    """Windows and crops that models have looked at."""
    cpu_s: float
    """Thread CPU time in decoding, preparing, models and deciding: the p + m of all captures so far, seconds."""

    @classmethod
    def nothing(cls) -> Progress:
        """Before anything was taken."""
        return cls(0, 0, 0, 0, 0, 0, 0, 0.0)


class Pipeline:
    """Identifies captures with `models` and keeps their outcomes in `sink`.

    `situate` adds context to an outcome. `durable` is called from the writer's thread with the arrivals of each batch
    that has become durable, in the order of each partition. `write` of the sink is called from one thread only.
    `earlier` gives the frames of a camera that the sink has kept, for the first new ones to be compared with.
    """

    def __init__(
        self,
        models: Sequence[Model],
        sink: Sink,
        settings: PipelineSettings,
        *,
        identify: IdentifySettings | None = None,
        limits: Limits | None = None,
        situate: Situate | None = None,
        durable: Callable[[Sequence[Arrival]], None] | None = None,
        refused: Refused | None = None,
        earlier: Load | None = None,
    ) -> None:
        self.settings = settings
        self._identify = identify or IdentifySettings()
        self._limits = limits or Limits()
        self._situate = situate
        self._on_durable = durable
        self._on_refused = refused
        self._models = _by_kind(models)
        for model in self._models[Kind.CLIP]:  # Before anything is taken in: settings that no model can keep to.
            if model.bundle.manifest.sound is not None:
                grid_for(model.bundle.manifest.sound, self._identify.overlap_s)
        self._compared = compares(self._models[Kind.FRAME], self._identify)
        self._engines = Engines(models, settings)
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        # Three conditions, so that a finished capture wakes nobody who waits for something else: each waking costs
        # its thread the lock and the interpreter.
        self._room = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._askers: deque[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = deque()
        self._waiting: deque[_Job] = deque()
        self._answered: deque[_Job] = deque()
        self._order = InOrder()
        self._earlier = EarlierFrames(settings.max_earlier_bytes)
        self._load_earlier = earlier
        self._by_place: dict[Place, _Job] = {}
        self._open = self._items = self._bytes = 0
        self._counts = {"taken": 0, "durable": 0, "known": 0} | {status.value: 0 for status in Status}
        self._cpu_s = 0.0
        self._stopping = self._closed = self._ending = False
        self._failure: BaseException | None = None
        self._writer = Writer(
            sink,
            commit_items=settings.commit_items,
            commit_s=settings.commit_s,
            gather_s=max(settings.gather_s, settings.commit_s),
            behind=lambda finished: len(self._waiting) >= finished,
            durable=self._acknowledge,
            failed=self._fail,
        )
        self._threads = [
            threading.Thread(target=self._run, name=f"katydid-worker-{n}", daemon=True) for n in range(settings.workers)
        ]

    # ------------------------------------------------------------------ for the host

    def start(self) -> Self:
        """Start the threads. `with Pipeline(...)` does it."""
        self._writer.start()
        for thread in self._threads:
            thread.start()
        return self

    __enter__ = start

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stop()
        self.close(raising=kind is None)

    async def put(self, taken: Taken, *, lane: Lane = Lane.BACKFILL) -> None:
        """Take in a capture; waits while the bounds are reached. Raises what stopped the pipeline."""
        while not self._try_put(taken, lane):
            await self._room_for_async(taken)

    def put_wait(self, taken: Taken, timeout: float | None = None, *, lane: Lane = Lane.BACKFILL) -> bool:
        """The same for hosts with threads. False: no room within `timeout` seconds, or the pipeline is stopping."""
        with self._room:
            fits = self._room.wait_for(lambda: self._fits(taken) or self._ended(), timeout)
            self._raise_failure()
            if not fits or self._stopping:
                return False
            self._admit(taken, lane)
            return True

    def put_known(self, taken: Taken) -> None:
        """Settle the position of a capture whose outcome the sink holds already: nothing is identified, and the sink
        keeps the outcome that it has. Does not wait, so the writer's own thread may call it."""
        with self._lock:
            if not self._ended():
                self._admit_known(taken)

    def put_known_wait(self, taken: Taken, timeout: float | None = None) -> bool:
        """The same for a source, which must not run ahead of the sink however many captures are known. False: no room
        within `timeout` seconds, or the pipeline is stopping. Raises what stopped the pipeline."""
        with self._room:
            fits = self._room.wait_for(lambda: self._items < self.settings.max_items or self._ended(), timeout)
            self._raise_failure()
            if not fits or self._ended():
                return False
            self._admit_known(taken)
            return True

    def hurry(self) -> None:
        """Say that the source is at its end: when all that was taken is finished, it is written without waiting."""
        with self._lock:
            self._ending = True
            self._flush_at_end()

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until everything taken is durable; True if it is. Raises what stopped the pipeline."""
        with self._settled:
            done = self._settled.wait_for(lambda: self._items == 0 or self._ended(), timeout)
            self._raise_failure()
            return done and self._items == 0

    def stop(self) -> None:
        """Let go of captures that are not identified yet; finished outcomes are still written by `close`."""
        with self._lock:
            self._stopping = True
            self._waiting.clear()
            self._wake_all()

    def close(self, *, raising: bool = True) -> None:
        """Finish what was taken (unless stopped), write it, end the threads. Raises what stopped the pipeline."""
        if not self._stopping and self._failure is None:
            self._finish_quietly()
        with self._lock:
            self._closed = True
            self._wake_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._writer.close()
        if raising:
            self._raise_failure()

    def progress(self) -> Progress:
        """Counts so far; cheap enough to ask ten times a second."""
        with self._lock:
            counts = self._counts
            return Progress(
                taken=counts["taken"],
                identified=counts["identified"],
                empty=counts["empty"],
                refused=counts["refused"],
                durable=counts["durable"],
                bytes_in_flight=self._bytes,
                seen_items=self._engines.seen_items,
                cpu_s=self._cpu_s,
            )

    # ------------------------------------------------------------------ taking in

    def _fits(self, taken: Taken) -> bool:
        # Asked first: it lets quiet cameras go, also of a worker that has nothing else to do.
        room = not self._compares(taken.capture) or self._earlier.has_room(taken.capture.sensor_id)
        if self._items == 0:
            return True
        within = self._bytes + _in_memory(taken.capture) <= self.settings.max_bytes
        return room and within and self._items < self.settings.max_items

    def _compares(self, capture: Capture) -> bool:
        """Whether a capture is a frame that is compared with those before it."""
        return self._compared and capture.kind is Kind.FRAME

    def _admit(self, taken: Taken, lane: Lane) -> None:
        camera = taken.capture.sensor_id if self._compares(taken.capture) else None
        job = _Job(taken, self._order.take(taken.position, camera), _in_memory(taken.capture), lane)
        if camera is not None:
            job.place = self._earlier.take(camera)
            self._by_place[job.place] = job
        self._items += 1
        self._bytes += job.nbytes
        self._counts["taken"] += 1
        self._waiting.append(job)
        self._work.notify()

    def _admit_known(self, taken: Taken) -> None:
        arrival = Arrival(outcome=_known(taken.capture), position=taken.position)
        turn = self._order.take(taken.position)
        self._items += 1
        self._counts["known"] += 1
        self._writer.add(self._order.finish(turn, arrival))
        self._flush_at_end()

    def _try_put(self, taken: Taken, lane: Lane) -> bool:
        with self._lock:
            self._raise_failure()
            if self._stopping or not self._fits(taken):
                return False
            self._admit(taken, lane)
            return True

    async def _room_for_async(self, taken: Taken) -> None:
        asker = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            if self._stopping and self._failure is None:
                raise asyncio.CancelledError
            if self._fits(taken) or self._failure is not None:
                return
            self._askers.append(asker)
        await asker[1].wait()

    # ------------------------------------------------------------------ working

    def _run(self) -> None:
        try:
            while (work := self._next()) is not None:
                if isinstance(work, _Job):
                    self._step(work)
                else:
                    self._infer(work)
        except BaseException as error:  # noqa: BLE001 - a supervising loop: the host is told, and nothing more is acknowledged
            self._fail(error)

    def _next(self) -> Work | _Job | None:
        """What this thread does next; None when there will be nothing more."""
        with self._lock:
            while not self._ended():
                if (batch := self._engines.take()) is not None:
                    return batch
                if self._answered:
                    return self._answered.popleft()
                if self._waiting and self._open < self.settings.open_at_once:
                    self._open += 1
                    return self._waiting.popleft()
                self._work.wait()
            return None

    def _step(self, job: _Job) -> None:
        """Advance one capture until it asks a model something, waits for frames before it, or is finished."""
        began = time.thread_time()
        try:
            try:
                question = self._go_on(job)
            except StopIteration as end:
                self._fill(job, None, time.thread_time())
                self._finished(job, end.value, began)
            else:
                if isinstance(question, Reduced):
                    self._fill(job, question, began)
                else:
                    self._ask(job, question, began)
        except Exception as error:
            error.add_note(f"while identifying {job.taken.capture.file or job.taken.capture.capture_id}")
            raise

    def _go_on(self, job: _Job) -> Question:
        if job.steps is None:
            capture = job.taken.capture
            job.steps = identification(capture, self._models[capture.kind], self._identify, self._limits)
            return next(job.steps)
        if job.before is not None:
            before, job.before = job.before, None
            return job.steps.send(before)
        answer, job.answer = job.answer, None
        assert answer is not None
        if answer.failure is not None:
            return job.steps.throw(LookFailed(str(answer.failure)))
        return job.steps.send(answer.seen())

    def _fill(self, job: _Job, frame: Reduced | None, began: float) -> None:
        """Fill the place of a frame, so that it and those behind it can go on when all ahead of it have come."""
        place = job.place
        if place is None or place.filled:
            return
        kept = self._load_earlier(place.sensor_id) if place.loads and self._load_earlier is not None else ()
        with self._lock:
            self._cpu_s += time.thread_time() - began
            job.frame = frame
            self._bytes += 0 if frame is None else frame.nbytes
            if place.loads:
                self._earlier.loaded(place, kept)
            for ready in self._earlier.fill(place, frame):
                known = self._by_place.pop(ready)
                if known.frame is not None:
                    known.before = ready.before
                    self._answered.append(known)
                    self._work.notify()

    def _ask(self, job: _Job, look: Look, began: float) -> None:
        def done(answered: OpenLook) -> None:
            job.answer = answered
            self._answered.append(job)

        opened = OpenLook(look, done)
        with self._lock:
            self._cpu_s += time.thread_time() - began
            self._work.notify(self._engines.submit(opened, job.lane))

    def _infer(self, work: Work) -> None:
        """Run one batch; what fails is cut in two until the bad item stands alone."""
        began = time.thread_time()
        try:
            result: Seen | EngineError | MemoryError = work.run()
        except (EngineError, MemoryError) as error:
            result = error
        with self._lock:
            self._cpu_s += time.thread_time() - began
            if isinstance(result, Seen):
                answered = self._engines.succeeded(work, result)
            else:
                answered = self._engines.failed(work, result)
            for look in answered:
                look.done(look)
            self._work.notify_all()

    def _finished(self, job: _Job, outcome: Outcome, began: float) -> None:
        if self._situate is not None:
            outcome = self._situate(outcome)
        if self._on_refused is not None and outcome.status is Status.REFUSED:
            self._on_refused(job.taken, outcome)
        arrival = Arrival(outcome=outcome, position=job.taken.position, frame=job.frame)
        with self._lock:
            self._cpu_s += time.thread_time() - began
            self._open -= 1
            self._bytes -= job.nbytes
            self._counts[outcome.status.value] += 1
            self._writer.add(self._order.finish(job.turn, arrival))
            self._flush_at_end()
            self._work.notify()
            self._wake_askers()

    # ------------------------------------------------------------------ ending

    def _acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        with self._lock:
            if self._failure is not None:
                return
        if self._on_durable is not None:
            self._on_durable(arrivals)
        with self._lock:
            self._items -= len(arrivals)
            self._counts["durable"] += len(arrivals)
            for frame in filter(None, (arrival.frame for arrival in arrivals)):
                self._bytes -= frame.nbytes
                self._earlier.durable(frame)
            self._settled.notify_all()
            self._wake_askers()

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self._failure is None:
                self._failure = error
            self._wake_all()
        self._writer.halt()

    def _finish_quietly(self) -> None:
        with self._settled:
            self._settled.wait_for(lambda: self._failure is not None or self._all_finished())

    def _flush_at_end(self) -> None:
        if self._all_finished():
            self._settled.notify_all()
            if self._ending:
                self._writer.flush()

    def _all_finished(self) -> bool:
        return self._items <= self._unwritten()

    def _unwritten(self) -> int:
        """Captures whose outcome is made and waits for the writer alone."""
        counts = self._counts
        return sum(counts[status.value] for status in Status) + counts["known"] - counts["durable"]

    def _ended(self) -> bool:
        return self._stopping or self._closed or self._failure is not None

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _wake_all(self) -> None:
        self._work.notify_all()
        self._settled.notify_all()
        self._wake_askers()

    def _wake_askers(self) -> None:
        self._room.notify_all()
        while self._askers:
            loop, event = self._askers.popleft()
            loop.call_soon_threadsafe(event.set)


def _known(capture: Capture) -> Outcome:
    """What stands for an outcome that the sink will not write, because it has one of this id. Should it ever show in
    a store, its reason tells what went wrong."""
    message = "the same capture as one that is stored already"
    return outcome_of(capture, Status.REFUSED, reason="duplicate", message=message)


def _in_memory(capture: Capture) -> int:
    return 0 if capture.payload is None else len(capture.payload)


def _by_kind(models: Sequence[Model]) -> Mapping[Kind, list[Model]]:
    """The models that look at frames, and those that listen to clips."""
    of_sound = BundleKind.SOUND_CLASSIFIER
    of_images = (BundleKind.IMAGE_CLASSIFIER, BundleKind.DETECTOR)
    return {
        Kind.CLIP: [model for model in models if model.bundle.manifest.kind is of_sound],
        Kind.FRAME: [model for model in models if model.bundle.manifest.kind in of_images],
    }

"""The pipeline with placeholder bundles: what is taken comes out once, in order, bounded, whatever fails."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pytest
import soundfile

from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.errors import EngineError
from katydid.models.identify import identify
from katydid.models.manifest import BundleKind
from katydid.models.model import Model, Seen, open_model
from katydid.models.outcome import Outcome, Status
from katydid.models.settings import IdentifySettings
from katydid.sensors.capture import Capture, Clock, ClockSource, Kind
from katydid.sensors.limits import Limits
from katydid.sensors.sources.protocol import Position, Taken
from katydid.streams.pipeline import Pipeline
from katydid.streams.sink import Arrival
from katydid.streams.tunables import PipelineSettings

RATE = 16000
DEADLINE_S = 30.0


def wav(seed: int, seconds: float = 1.0) -> bytes:
    samples = np.random.default_rng(seed).uniform(-0.3, 0.3, round(RATE * seconds)).astype(np.float32)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def taken(number: int, payload: bytes, *, partition: str = "0") -> Taken:
    capture = Capture(
        capture_id=f"{number:032x}",
        sensor_id="recorder",
        kind=Kind.CLIP,
        captured_at=number,
        clock=Clock(source=ClockSource.NONE),
        media_type="audio/wav",
        payload=payload,
        sha256="0" * 64,
        length=len(payload),
        file=f"{number}.wav",
    )
    return Taken(capture=capture, position=Position(source="test", partition=partition, offset=number))


class Kept:
    """A sink in memory that can be told to block or to fail."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.batches: list[list[Arrival]] = []
        self.gate = threading.Event()
        self.gate.set()
        self._fail_at = fail_at

    def write(self, arrivals: Sequence[Arrival]) -> None:
        assert self.gate.wait(DEADLINE_S)
        if self._fail_at is not None and len(self.batches) >= self._fail_at:
            raise OSError("the disk is on fire")
        self.batches.append(list(arrivals))

    def close(self) -> None:
        """Nothing to let go of."""

    @property
    def outcomes(self) -> list[Outcome]:
        return [arrival.outcome for batch in self.batches for arrival in batch]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    bundle = placeholder_bundle(
        tmp_path_factory.mktemp("bundles"), kind=BundleKind.SOUND_CLASSIFIER, sample_rate=RATE, seconds=1.0
    )
    opened = open_model(bundle, slots=2)
    yield opened
    opened.close()


def settings(**changes: object) -> PipelineSettings:
    return msgspec.structs.replace(PipelineSettings.for_this_machine(2), **{"commit_s": 0.01, **changes})


class Spoilt(Model):
    """A placeholder model that cannot run a batch which holds one certain item."""

    def __init__(self, model: Model, poison: np.ndarray) -> None:
        self.__dict__.update(model.__dict__)
        self._poison = poison
        self.batches: list[int] = []

    def infer(self, items: np.ndarray) -> Seen:
        self.batches.append(len(items))
        if any(np.array_equal(item, self._poison) for item in items):
            raise EngineError("the graph chokes")
        return super().infer(items)


class Held(Model):
    """A placeholder model that waits for a gate."""

    def __init__(self, model: Model) -> None:
        self.__dict__.update(model.__dict__)
        self.gate = threading.Event()
        self.items: list[np.ndarray] = []

    def infer(self, items: np.ndarray) -> Seen:
        self.items += list(items)
        assert self.gate.wait(DEADLINE_S)
        return super().infer(items)


def test_what_is_taken_comes_out_as_identify_alone_gives_it(model: Model) -> None:
    sink = Kept()
    sounds = [taken(n, wav(n, seconds=0.5 + n % 5)) for n in range(24)]
    with Pipeline([model], sink, settings()) as pipeline:
        for each in sounds:
            assert pipeline.put_wait(each, DEADLINE_S)
        assert pipeline.drain(DEADLINE_S)
    alone = {each.capture.capture_id: identify(each.capture, [model], IdentifySettings(), Limits()) for each in sounds}
    assert len(sink.outcomes) == 24
    assert {outcome.capture_id: outcome for outcome in sink.outcomes} == alone


@pytest.mark.parametrize("batch", [1, 3, 32])
def test_the_batch_size_changes_no_outcome(model: Model, batch: int) -> None:
    sounds = [taken(n, wav(n, seconds=3.0)) for n in range(6)]
    sink = Kept()
    with Pipeline([model], sink, settings(batch=batch)) as pipeline:
        for each in sounds:
            pipeline.put_wait(each)
    expected = [identify(each.capture, [model], IdentifySettings(), Limits()) for each in sounds]
    assert sorted(sink.outcomes, key=lambda outcome: outcome.capture_id) == expected


def test_acknowledgements_follow_durability_in_the_order_of_each_partition(model: Model) -> None:
    sink = Kept()
    acknowledged: list[Position] = []

    def durable(arrivals: Sequence[Arrival]) -> None:
        written = {outcome.capture_id for outcome in sink.outcomes}
        assert all(arrival.outcome.capture_id in written for arrival in arrivals)
        acknowledged.extend(arrival.position for arrival in arrivals)

    with Pipeline([model], sink, settings(commit_items=3), durable=durable) as pipeline:
        for n in range(40):
            # Long and short ones alternate, so that they finish out of order.
            pipeline.put_wait(taken(n, wav(n, seconds=8.0 if n % 4 == 0 else 0.2), partition=str(n % 3)))
    assert len(acknowledged) == 40
    for partition in "012":
        offsets = [position.offset for position in acknowledged if position.partition == partition]
        assert offsets == sorted(offsets)


def test_a_slow_first_capture_holds_back_its_partition_and_no_other(model: Model) -> None:
    held = Held(model)
    sink = Kept()
    slow, quick = taken(0, wav(0), partition="a"), taken(2, b"not sound", partition="b")
    with Pipeline([held], sink, settings()) as pipeline:
        pipeline.put_wait(slow)
        pipeline.put_wait(taken(1, b"not sound", partition="a"))
        pipeline.put_wait(quick)
        wait_until(lambda: len(sink.outcomes) == 1)
        assert [outcome.capture_id for outcome in sink.outcomes] == [quick.capture.capture_id]
        held.gate.set()
    assert [outcome.capture_id for outcome in sink.outcomes[1:]] == [f"{0:032x}", f"{1:032x}"]


def test_put_waits_while_captures_in_flight_are_at_the_bound(model: Model) -> None:
    sink = Kept()
    sink.gate.clear()
    with Pipeline([model], sink, settings(max_items=5)) as pipeline:
        for n in range(5):
            assert pipeline.put_wait(taken(n, wav(n)), DEADLINE_S)
        assert not pipeline.put_wait(taken(5, wav(5)), 0.05)
        sink.gate.set()
        assert pipeline.put_wait(taken(5, wav(5)), DEADLINE_S)
    assert len(sink.outcomes) == 6


def test_bytes_in_flight_never_pass_the_bound(model: Model) -> None:
    sink = Kept()
    payload = wav(0)
    bound = 4 * len(payload)
    largest = 0
    with Pipeline([model], sink, settings(max_bytes=bound)) as pipeline:
        for n in range(60):
            pipeline.put_wait(taken(n, payload))
            largest = max(largest, pipeline.progress().bytes_in_flight)
    assert len(payload) <= largest <= bound
    assert pipeline.progress().bytes_in_flight == 0


def test_one_capture_above_the_bound_is_let_in_alone(model: Model) -> None:
    sink = Kept()
    with Pipeline([model], sink, settings(max_bytes=10)) as pipeline:
        for n in range(3):
            assert pipeline.put_wait(taken(n, wav(n)), DEADLINE_S)
    assert len(sink.outcomes) == 3


def test_a_long_recording_is_spread_over_all_slots(model: Model) -> None:
    held = Held(model)
    with Pipeline([held], Kept(), settings(batch=8)) as pipeline:
        pipeline.put_wait(taken(0, wav(0, seconds=32.0)))
        wait_until(lambda: len(held.items) == 16)  # two batches of eight, one in each slot, at the same time
        held.gate.set()


def test_an_item_that_no_engine_can_run_fails_alone(model: Model) -> None:
    poison = np.random.default_rng(7).uniform(-0.3, 0.3, RATE).astype(np.float32)
    buffer = io.BytesIO()
    soundfile.write(buffer, poison, RATE, format="WAV", subtype="FLOAT")
    spoilt = Spoilt(model, poison)
    sink = Kept()
    with Pipeline([spoilt], sink, settings(batch=32, open_at_once=32)) as pipeline:
        for n in range(32):
            pipeline.put_wait(taken(n, buffer.getvalue() if n == 11 else wav(n)))
    refused = [outcome for outcome in sink.outcomes if outcome.status is Status.REFUSED]
    assert [(outcome.capture_id, outcome.reason) for outcome in refused] == [(f"{11:032x}", "model_failed")]
    assert "the graph chokes" in refused[0].message
    assert len(sink.outcomes) == 32


def test_a_model_that_runs_nothing_stops_the_pipeline_and_refuses_nothing_silently(model: Model) -> None:
    class Broken(Held):
        def infer(self, items: np.ndarray) -> Seen:
            raise EngineError("no such device")

    pipeline = Pipeline([Broken(model)], Kept(), settings(failures_in_row=4)).start()
    for n in range(12):
        try:
            pipeline.put_wait(taken(n, wav(n)))
        except EngineError:
            break
    with pytest.raises(EngineError, match=r"\d items in a row"):
        pipeline.drain(DEADLINE_S)
    pipeline.close(raising=False)


def test_bad_input_is_an_outcome_and_everything_goes_on(model: Model) -> None:
    sink = Kept()
    with Pipeline([model], sink, settings()) as pipeline:
        pipeline.put_wait(taken(0, b""))
        pipeline.put_wait(taken(1, b"RIFF rubbish"))
        pipeline.put_wait(taken(2, wav(2)[:100]))
        pipeline.put_wait(taken(3, wav(3)))
    by_id = {outcome.capture_id: outcome.status for outcome in sink.outcomes}
    assert len(by_id) == 4
    assert by_id[f"{3:032x}"] is Status.IDENTIFIED
    assert by_id[f"{0:032x}"] is Status.REFUSED


def test_a_failing_sink_stops_everything_before_any_further_acknowledgement(model: Model) -> None:
    sink = Kept(fail_at=2)
    acknowledged: list[Arrival] = []
    pipeline = Pipeline([model], sink, settings(commit_items=2), durable=acknowledged.extend).start()
    with pytest.raises(OSError, match="on fire"):
        for n in range(200):
            pipeline.put_wait(taken(n, wav(n)), DEADLINE_S)
        pipeline.drain(DEADLINE_S)
    pipeline.close(raising=False)
    written = [arrival for batch in sink.batches for arrival in batch]
    assert acknowledged == written
    assert len(sink.batches) == 2
    with pytest.raises(OSError, match="on fire"):
        pipeline.put_wait(taken(999, wav(1)))


def test_an_unexpected_exception_stops_everything_and_names_the_capture(model: Model) -> None:
    def situate(outcome: Outcome) -> Outcome:
        if outcome.file == "3.wav":
            raise ZeroDivisionError("a bug")
        return outcome

    sink = Kept()
    with (
        pytest.raises(ZeroDivisionError, match="a bug") as caught,
        Pipeline([model], sink, settings(), situate=situate) as pipeline,
    ):
        for n in range(100):
            pipeline.put_wait(taken(n, wav(n)))
    assert any("3.wav" in remark for remark in caught.value.__notes__)
    assert f"{3:032x}" not in {outcome.capture_id for outcome in sink.outcomes}


def test_stopping_keeps_what_is_finished_and_lets_go_of_the_rest(model: Model) -> None:
    held = Held(model)
    sink = Kept()
    pipeline = Pipeline([held], sink, settings(commit_s=60.0)).start()
    pipeline.put_wait(taken(0, b"not sound", partition="a"))
    wait_until(lambda: pipeline.progress().refused == 1)
    pipeline.put_wait(taken(1, wav(1), partition="b"))
    wait_until(lambda: bool(held.items))
    pipeline.stop()
    held.gate.set()
    pipeline.close()
    assert [outcome.capture_id for outcome in sink.outcomes] == [f"{0:032x}"]


def test_a_known_capture_settles_its_position_without_being_identified(model: Model) -> None:
    sink = Kept()
    with Pipeline([model], sink, settings()) as pipeline:
        pipeline.put_known(taken(5, b"never looked at"))
        assert pipeline.drain(DEADLINE_S)
    assert [(arrival.position.offset, arrival.outcome.reason) for arrival in sink.batches[0]] == [(5, "duplicate")]


def test_a_source_of_known_captures_runs_no_further_ahead_of_the_sink_than_one_of_new_ones(model: Model) -> None:
    sink = Kept()
    sink.gate.clear()
    with Pipeline([model], sink, settings(max_items=3)) as pipeline:
        assert [pipeline.put_known_wait(taken(n, b""), timeout=0.01) for n in range(5)] == [True] * 3 + [False] * 2
        pipeline.put_known(taken(5, b""))  # What the writer's thread settles has a place in any case.
        sink.gate.set()
        assert pipeline.put_known_wait(taken(6, b""), timeout=DEADLINE_S)
        assert pipeline.drain(DEADLINE_S)
    assert [arrival.position.offset for batch in sink.batches for arrival in batch] == [0, 1, 2, 5, 6]


async def test_the_asynchronous_put_waits_for_room_too(model: Model) -> None:
    sink = Kept()
    sink.gate.clear()
    with Pipeline([model], sink, settings(max_items=2)) as pipeline:
        await pipeline.put(taken(0, wav(0)))
        await pipeline.put(taken(1, wav(1)))
        waiting = asyncio.create_task(pipeline.put(taken(2, wav(2))))
        done, _ = await asyncio.wait({waiting}, timeout=0.05)
        assert not done
        sink.gate.set()
        await asyncio.wait_for(waiting, DEADLINE_S)
    assert len(sink.outcomes) == 3


def test_engine_time_counts_towards_the_roofline(model: Model) -> None:
    with Pipeline([model], Kept(), settings()) as pipeline:
        pipeline.put_wait(taken(0, wav(0, seconds=10.0)))
        assert pipeline.drain(DEADLINE_S)
        progress = pipeline.progress()
    assert progress.cpu_s > 0
    assert progress.seen_items == 10


def wait_until(condition: object, deadline_s: float = DEADLINE_S) -> None:
    """Wait for a condition that another thread brings about."""
    assert callable(condition)
    pause = threading.Event()
    for _ in range(int(deadline_s / 0.005)):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it never came about")


async def test_a_host_that_waits_for_room_is_let_go_when_the_pipeline_stops(model: Model) -> None:
    pipeline = Pipeline([model], Kept(), settings())
    pipeline.start()
    pipeline.stop()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(pipeline.put(taken(0, wav(0))), DEADLINE_S)
    pipeline.close()


def test_the_host_sees_bad_input_before_its_outcome_is_written(model: Model) -> None:
    sink = Kept()
    seen: list[tuple[bytes | None, str, int]] = []

    def refused(each: Taken, outcome: Outcome) -> None:
        seen.append((each.capture.payload, outcome.reason, len(sink.outcomes)))

    with Pipeline([model], sink, settings(), refused=refused) as pipeline:
        assert pipeline.put_wait(taken(0, b"no sound at all"))
        assert pipeline.put_wait(taken(1, wav(1)))
        assert pipeline.drain(DEADLINE_S)
    assert [(payload, written) for payload, _, written in seen] == [(b"no sound at all", 0)]
    assert seen[0][1] == sink.outcomes[0].reason != ""

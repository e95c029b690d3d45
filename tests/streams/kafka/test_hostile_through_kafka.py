"""Hostile files pushed, and hostile messages written by anybody, through a real Kafka into a real InfluxDB.

Each ends as a right result, a refused outcome or a dead letter, and one worker and one keeper live through all of it.
"""

from __future__ import annotations

import asyncio
import os
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("faust", reason="needs the kafka extra")

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy  # type: ignore[import-untyped]
from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Delivered

from hostile_files import NO_CAPTURE, REFUSED, HostileFile, as_captured, write_hostile_files
from hostile_messages import ODD, RIGHT, UNSTORED, HostileMessage, hostile_messages
from influx_servers import url_of
from kafka_sites import Place, Site, kept_by_the_keeper
from kafka_workers import Worker, message
from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.manifest import BundleKind
from katydid.models.outcome import Status
from katydid.streams.kafka.letters import Letter, original_of
from katydid.streams.store import OutcomeFilter, open_store
from katydid.streams.store.influx import open_influx
from mock_broker import until
from servers.influx import InfluxServer
from servers.kafka import KafkaServer
from worker_pages import metric

pytestmark = pytest.mark.slow

MAX_MIB = 64
FLOOD = 12
"""Values of 12 MiB, one after the other."""
GROWTH_MIB = 400
"""196 was seen."""
CODECS = ("gzip", "lz4", "zstd", "snappy")
PACKED = 8
"""Captures in a batch of each codec."""
DEADLINE_S = 180.0


@dataclass
class Play:
    """What was written where, and what became of it."""

    site: Site
    store_url: str
    token: str
    duckdb: Path
    files: list[HostileFile]
    worker: Worker
    messages: dict[Place, HostileMessage] = field(default_factory=dict)
    packed: dict[str, list[Place]] = field(default_factory=dict)
    bad_name: int = 0
    pids: list[int] = field(default_factory=list)
    grew_mib: float = 0.0
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Capture → its row in InfluxDB."""
    letters: dict[Place, Letter] = field(default_factory=dict)
    """Where the original lies → its dead letter."""


@pytest.fixture(scope="module")
def play(
    kafka_server: KafkaServer, influx_server: InfluxServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Play]:
    folder = tmp_path_factory.mktemp("hostile-kafka")
    bundles = [
        placeholder_bundle(folder / "models", name=name, kind=kind).path
        for name, kind in (("ears", BundleKind.SOUND_CLASSIFIER), ("eyes", BundleKind.IMAGE_CLASSIFIER))
    ]
    url = url_of(influx_server, influx_server.new_bucket())
    more = f"[pipeline]\nmax_mib = {MAX_MIB}\n"
    site = Site(folder, kafka_server.bootstrap, bundles, sink=url, token=influx_server.token, more=more)
    duckdb = folder / "kept.duckdb"
    try:
        worker = site.start()
        keeper = site.start("--sink", f"duckdb://{duckdb}")
        worker.port(), keeper.port()
        files = write_hostile_files(folder / "card")
        play = Play(site, url, influx_server.token, duckdb, files, worker)
        play.pids = [worker.process.pid, keeper.process.pid]
        with _watched(worker, play):
            _write_everything(play, folder / "card")
            until(lambda: site.settled() or worker.process.poll() is not None, "every offset committed", DEADLINE_S)
        _read_back(play)
        until(lambda: kept_by_the_keeper(site), "the keeper has all of it")
        assert worker.process.poll() is None and keeper.process.poll() is None, worker.words[-2000:]
        assert keeper.stop() == 0
        yield play
    finally:
        site.close()


def _write_everything(play: Play, card: Path) -> None:
    site = play.site
    assert site.run("push", str(card), "-q") == 0
    for hostile in hostile_messages():
        place = site.write_raw(hostile.topic, hostile.value, hostile.key, hostile.headers)
        play.messages[place] = hostile
    for number, codec in enumerate(CODECS):
        play.packed[codec] = _packed(site, codec, number)
    bomb = Producer({"bootstrap.servers": site.bootstrap, "compression.type": "gzip", "message.max.bytes": 10**9})
    lies = site.write_raw("clips", bytes(900_000_000), b"bomb", producer=bomb)
    play.messages[lies] = HostileMessage("900 MB of zeros as gzip", "unreadable", kept_elsewhere=True)
    play.bad_name = asyncio.run(_bad_name(site))
    for _ in range(FLOOD):
        lies = site.write_raw("clips", bytes((12 << 20) - 4096), b"flood", partition=0)
        play.messages[lies] = HostileMessage("flood", "envelope", kept_elsewhere=False)
    for number in range(3):  # Behind all of it something good, on every partition.
        lies = site.write("clips", message(9_000 + number), partition=number)
        play.messages[lies] = HostileMessage("good", RIGHT, capture_id=f"{9_000 + number:032x}")


def _packed(site: Site, codec: str, number: int) -> list[Place]:
    """A compressed batch of good captures."""
    producer = Producer({"bootstrap.servers": site.bootstrap, "compression.type": codec, "linger.ms": 500})
    lies: list[Place] = []

    def delivered(error: KafkaError | None, sent: Delivered) -> None:
        lies.append((sent.topic() or "", sent.partition() or 0, sent.offset() or 0))

    for each in range(PACKED):
        envelope = message(7_000 + 100 * number + each)
        producer.produce(
            site.topic("clips"), envelope.value, envelope.key, headers=list(envelope.headers), partition=1,
            on_delivery=delivered,
        )  # fmt: skip
    assert producer.flush(60) == 0
    return lies


class _BadName(str):
    """A header's name that is no UTF-8."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"bad\xff\xfe"


async def _bad_name(site: Site) -> int:
    """Its offset on partition 2 of clips. Of all clients here only aiokafka's builder can be made to do it."""
    producer = AIOKafkaProducer(bootstrap_servers=site.bootstrap)
    await producer.start()
    try:
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 1 << 20)
        assert batch.append(key=b"k", value=b"v", timestamp=None, headers=[(_BadName("bad"), b"v")])
        sent = await (await producer.send_batch(batch, site.topic("clips"), partition=2))
        return int(sent.offset)
    finally:
        await producer.stop()


@contextmanager
def _watched(worker: Worker, play: Play) -> Iterator[None]:
    """Notes by how much the worker's memory grew at most."""
    process, done = psutil.Process(worker.process.pid), threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        while not done.wait(0.05) and process.is_running():
            play.grew_mib = max(play.grew_mib, (process.memory_info().rss - before) / 2**20)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


def _read_back(play: Play) -> None:
    with open_influx(play.store_url, token=play.token) as store:
        play.outcomes = {row["capture_id"]: row for row in store.outcomes(OutcomeFilter()).to_pylist()}
    for letter in play.site.letters():
        place = (letter.whence.topic, letter.whence.partition, letter.whence.offset)
        assert place not in play.letters, "a dead letter twice, though nothing was killed"
        play.letters[place] = letter


# -- what became of it -------------------------------------------------------------------------------------------


def test_every_hostile_file_that_was_pushed_has_one_outcome_with_its_reason_or_a_right_result(play: Play) -> None:
    assert len(play.files) >= 40
    found = {row["file"]: row for row in play.outcomes.values()}
    missing = []
    for each in play.files:
        row = found.get(each.name)
        if each.expectation == NO_CAPTURE:
            assert row is None, each
        elif row is None:
            missing.append(each)
        elif each.expectation == REFUSED:
            assert (row["status"], row["reason"]) == ("refused", each.reason), each
        else:
            assert row["status"] in ("identified", "empty"), each
    contents = _contents(play.site.folder / "card")
    assert [each for each in missing if Counter(contents.values())[contents[each.name]] < 2] == []


def _contents(card: Path) -> dict[str, bytes]:
    """Name as captures say it → bytes. Two files with the same bytes are one capture, which bears one of the names."""
    files = (path for path in card.iterdir() if path.is_file() and os.access(path, os.R_OK))
    return {as_captured(path.name): path.read_bytes() for path in files}


def test_every_refused_outcome_is_a_dead_letter_too_with_the_same_reason(play: Play) -> None:
    refused = {id_: row["reason"] for id_, row in play.outcomes.items() if row["status"] == Status.REFUSED}
    dead = {
        letter.whence.capture_id: letter.whence.reason
        for letter in play.letters.values()
        if letter.whence.capture_id and letter.whence.reason != UNSTORED
    }
    assert len(refused) >= 40
    assert dead == refused


def test_every_hostile_message_ended_as_it_should(play: Play) -> None:
    assert len(play.messages) >= 60
    wrong = {}
    for place, hostile in play.messages.items():
        letter = play.letters.get(place)
        status = play.outcomes.get(hostile.capture_id, {}).get("status")
        reason = letter.whence.reason if letter else None
        if hostile.expectation == RIGHT:
            good = letter is None and status in ("identified", "empty")
        else:
            refused = hostile.capture_id and hostile.expectation != UNSTORED
            good = reason == hostile.expectation and status == ("refused" if refused else None)
        if not good:
            wrong[hostile.what] = (hostile.expectation, status, reason)
    assert wrong == {}


def test_nothing_else_became_a_dead_letter_and_every_one_keeps_its_original(play: Play) -> None:
    packed = {place: codec for codec, places in play.packed.items() for place in places}
    for place, letter in play.letters.items():
        hostile = play.messages.get(place)
        if hostile is not None:
            assert letter.whence.value_left_out == hostile.kept_elsewhere, hostile.what
        else:
            assert place in packed or letter.whence.capture_id or place[2] == play.bad_name
    large = next(place for place, each in play.messages.items() if each.what == "a key of 12 MiB")
    original = original_of(play.site.configuration, play.letters[large])
    assert original.key == play.messages[large].key


def test_compressed_batches_are_read_where_the_client_can_and_dead_letters_where_not(play: Play) -> None:
    for codec, places in play.packed.items():
        reasons = {play.letters[place].whence.reason for place in places if place in play.letters}
        assert reasons == (set() if codec == "gzip" else {"unreadable"}), codec
    assert {f"{7_000 + each:032x}" for each in range(PACKED)} <= set(play.outcomes)
    (bad,) = (letter for place, letter in play.letters.items() if place[1:] == (2, play.bad_name))
    assert bad.whence.reason == "envelope"


def test_no_process_was_started_again_and_no_partition_moved(play: Play) -> None:
    assert [play.worker.process.pid, play.worker.process.poll()] == [play.pids[0], None]
    assert play.worker.words.count(" starts at ") == 1
    assert "CRITICAL" not in play.worker.words
    assert metric(play.worker, "katydid_rebalances_total") <= 1
    until(lambda: metric(play.worker, "katydid_lag_messages") == 0, "no lag, at the next look")
    assert metric(play.worker, "katydid_dead_letters_total") == len(play.letters)


def test_memory_stayed_bounded(play: Play) -> None:
    print(f"grew by {play.grew_mib:.0f} MiB at most")
    assert 0 < play.grew_mib < GROWTH_MIB


def test_the_second_store_has_the_same_outcomes_and_those_that_influxdb_cannot_hold(play: Play) -> None:
    unstored = {each.capture_id for each in play.messages.values() if each.capture_id and each.expectation == UNSTORED}
    with open_store(play.duckdb, read_only=True) as kept, open_influx(play.store_url, token=play.token) as store:
        assert set(kept.outcomes(OutcomeFilter())["capture_id"].to_pylist()) == set(play.outcomes) | unstored
        assert [each for each in play.outcomes if kept.outcome(each) != store.outcome(each)] == []


def test_names_are_told_escaped_on_one_line(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    assert play.site.run("deadletters", "list") == 0
    said = capsys.readouterr().out
    assert len(said.splitlines()) == len(play.letters) + 1
    odd = next(letter for letter in play.letters.values() if letter.key == ODD.encode())
    assert play.site.run("deadletters", "show", odd.name) == 0
    shown = capsys.readouterr().out
    assert r"cam\n\u202e\x1b[31m1" in said and r"cam\n\u202e\x1b[31m1" in shown
    hidden = {c for c in said + shown if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs") and c != "\n"}
    assert hidden == set()


def test_what_only_the_client_could_not_read_is_stored_after_a_retry(play: Play) -> None:
    """The last: it writes."""
    assert play.site.run("deadletters", "retry", "--reason", "unreadable") == 7  # The bomb stays one: too large.
    until(play.site.settled, "every offset committed")
    wanted = {f"{7_000 + 100 * number + each:032x}" for number in range(len(CODECS)) for each in range(PACKED)}
    with open_influx(play.store_url, token=play.token) as store:
        assert store.known(wanted) == wanted
    assert play.worker.stop() == 0

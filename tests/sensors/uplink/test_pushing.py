"""A whole push: every capture once, large media in the store first, what cannot be sent said and tried again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("confluent_kafka", reason="needs the kafka extra")

from confluent_kafka import KafkaError

from hostile_files import encoded, pcm16, photo, wav
from katydid.sensors import envelope
from katydid.sensors.capture import Capture, MediaRef
from katydid.sensors.errors import MediaStoreDown, UplinkError
from katydid.sensors.limits import Limits
from katydid.sensors.media_store import MediaStore, open_media_store
from katydid.sensors.references import References, open_media
from katydid.sensors.sources.folder import FolderSource
from katydid.sensors.sources.protocol import Position
from katydid.sensors.uplink.journal import JournalUnusable, PushJournal
from katydid.sensors.uplink.kafka import KafkaUplink, KafkaUplinkSettings
from katydid.sensors.uplink.pushing import Push, PushProgress
from mock_cluster import PRODUCE, MockCluster, cluster, received_envelope

__all__ = ["cluster"]

SMALL = Limits(inline_bytes=20_000)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """Three frames, one short clip, a file without bytes and one that is no picture."""
    folder = tmp_path / "card"
    folder.mkdir()
    for number in range(3):
        (folder / f"IMG_{number}.jpg").write_bytes(encoded(photo(96 + number), "JPEG"))
    (folder / "short.wav").write_bytes(wav(pcm16(0.1)))
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "words.jpg").write_bytes(b"these are no pixels")
    return folder


def push(
    card: Path,
    cluster: MockCluster,
    *,
    store: MediaStore | None = None,
    flac: bool = False,
    notes: list[str] | None = None,
    uplink: KafkaUplink | None = None,
) -> PushProgress:
    with PushJournal(card.with_name("card.katydid") / "pushed.sqlite") as journal:
        return Push(
            FolderSource(card, zone="UTC", limits=SMALL),
            uplink or KafkaUplink(KafkaUplinkSettings(servers=cluster.servers)),
            watch=lambda progress: None,
            notify=([] if notes is None else notes).append,
            journal=journal,
            store=store,
            flac=flac,
            limits=SMALL,
        ).run()


def received(cluster: MockCluster) -> list[Capture]:
    messages = cluster.messages("katydid.frames") + cluster.messages("katydid.clips")
    return [envelope.unpack(received_envelope(message)) for message in messages]


def taken(card: Path) -> list[Capture]:
    return [each.capture for each in FolderSource(card, zone="UTC", limits=SMALL).captures(lambda position: False)]


def by_file(captures: list[Capture]) -> list[Capture]:
    return sorted(captures, key=lambda each: each.file)


def test_a_folder_arrives_whole_refused_files_too(card: Path, cluster: MockCluster) -> None:
    done = push(card, cluster)
    assert (done.acknowledged, done.left_out) == (6, 0)
    assert by_file(received(cluster)) == by_file(taken(card))
    assert sum(bool(each.refusal) for each in received(cluster)) == 1


def test_a_second_push_sends_nothing_and_later_ones_only_what_is_new(card: Path, cluster: MockCluster) -> None:
    push(card, cluster)
    assert push(card, cluster).acknowledged == 0
    (card / "IMG_9.jpg").write_bytes(encoded(photo(120), "JPEG"))
    assert push(card, cluster).acknowledged == 1
    assert len(received(cluster)) == 7


def test_a_refused_push_keeps_what_was_acknowledged_and_the_next_sends_the_rest(
    card: Path, cluster: MockCluster
) -> None:
    cluster.next_errors(PRODUCE, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    with pytest.raises(UplinkError, match="may not write"):
        push(card, cluster)
    there = len(received(cluster))
    assert there < 6
    assert push(card, cluster).acknowledged == 6 - there
    assert by_file(received(cluster)) == by_file(taken(card))


@pytest.fixture
def recording(card: Path) -> bytes:
    """A clip of 96,000 bytes among the others: over what travels inside a message here."""
    sound = np.cumsum(np.random.default_rng(1).normal(0, 0.001, 48_000)).clip(-0.9, 0.9)
    soundfile.write(card / "20240528_100000.wav", sound, 48_000, subtype="PCM_16")
    return (card / "20240528_100000.wav").read_bytes()


def test_large_media_are_in_the_store_before_the_message_and_read_from_it(
    card: Path, recording: bytes, cluster: MockCluster, tmp_path: Path
) -> None:
    url = (tmp_path / "media").as_uri()
    done = push(card, cluster, store=open_media_store(url))
    assert (done.acknowledged, done.stored, done.left_out) == (7, 1, 0)
    (large,) = [each for each in received(cluster) if each.payload_ref]
    media = open_media(References((url,), scratch=tmp_path / "scratch").local(large))
    assert isinstance(media, Path) and media.read_bytes() == recording


def test_without_a_store_large_media_are_left_out_said_and_sent_by_a_later_push(
    card: Path, recording: bytes, cluster: MockCluster, tmp_path: Path
) -> None:
    notes: list[str] = []
    done = push(card, cluster, notes=notes)
    assert (done.acknowledged, done.left_out) == (6, 1)
    (note,) = notes
    assert note.startswith("20240528_100000.wav was not sent: ") and "--media-store" in note and "--as-flac" in note
    assert push(card, cluster, store=open_media_store((tmp_path / "media").as_uri())).acknowledged == 1


def test_as_flac_a_long_recording_may_fit_into_its_message(card: Path, cluster: MockCluster) -> None:
    soundfile.write(card / "20240528_100000.wav", np.zeros(48_000), 48_000, subtype="PCM_16")
    done = push(card, cluster, flac=True)
    assert (done.acknowledged, done.flac, done.stored, done.left_out) == (7, 1, 0, 0)
    (clip,) = [each for each in received(cluster) if each.media_type == "audio/flac"]
    (original,) = [each for each in taken(card) if each.file == "20240528_100000.wav"]
    assert clip.capture_id == original.capture_id
    assert clip.payload is not None and clip.payload[:4] == b"fLaC"


def test_as_flac_and_still_large_it_is_the_flac_that_is_stored(
    card: Path, recording: bytes, cluster: MockCluster, tmp_path: Path
) -> None:
    url = (tmp_path / "media").as_uri()
    done = push(card, cluster, store=open_media_store(url), flac=True)
    assert (done.flac, done.stored, done.left_out) == (1, 1, 0)
    (large,) = [each for each in received(cluster) if each.payload_ref]
    media = open_media(References((url,), scratch=tmp_path / "scratch").local(large))
    assert isinstance(media, Path) and media.read_bytes()[:4] == b"fLaC"
    assert hashlib.sha256(media.read_bytes()).hexdigest() == large.sha256
    assert len(media.read_bytes()) < len(recording)


class Flaky:
    """A store that does not answer the first time."""

    url = "s3://bucket/media"

    def __init__(self, store: MediaStore) -> None:
        self.store = store
        self.failures = 1

    def put(self, media: Path, sha256: str, length: int) -> MediaRef:
        if self.failures:
            self.failures -= 1
            raise MediaStoreDown("the media store s3://bucket/media does not answer as it should: 503")
        return self.store.put(media, sha256, length)

    def fetch(self, sha256: str, length: int, scratch: Path) -> Path:
        return self.store.fetch(sha256, length, scratch)


def test_a_store_that_does_not_answer_is_waited_for(
    card: Path, recording: bytes, cluster: MockCluster, tmp_path: Path
) -> None:
    notes: list[str] = []
    done = push(card, cluster, store=Flaky(open_media_store((tmp_path / "media").as_uri())), notes=notes)
    assert (done.acknowledged, done.stored, done.left_out) == (7, 1, 0)
    assert [note for note in notes if "503" in note and "trying again" in note] == notes and len(notes) == 1


def test_a_large_file_that_changes_while_it_is_sent_is_left_for_the_next_push(
    card: Path, recording: bytes, cluster: MockCluster, tmp_path: Path
) -> None:
    class Changing(Flaky):
        def put(self, media: Path, sha256: str, length: int) -> MediaRef:
            media.write_bytes(recording + b"more")
            return self.store.put(media, sha256, length)

    notes: list[str] = []
    store = open_media_store((tmp_path / "media").as_uri())
    done = push(card, cluster, store=Changing(store), notes=notes)
    assert (done.acknowledged, done.left_out) == (6, 1) and "changed while it was read" in notes[0]
    assert push(card, cluster, store=store).acknowledged == 1


def test_a_broker_that_does_not_answer_is_said_once_and_waited_for(card: Path, cluster: MockCluster) -> None:
    uplink = KafkaUplink(KafkaUplinkSettings(servers=cluster.servers))
    notes: list[str] = []
    pushing = Push(FolderSource(card, zone="UTC"), uplink, watch=lambda progress: None, notify=notes.append)
    pushing._unreachable(9.0, "Connection refused")
    pushing._unreachable(11.0, "Connection refused")
    pushing._unreachable(12.0, "Connection refused")
    assert len(notes) == 1 and "Connection refused" in notes[0]
    assert pushing.run().acknowledged == 6


def test_ctrl_c_keeps_what_was_acknowledged(card: Path, cluster: MockCluster) -> None:
    class Interrupted(FolderSource):
        def captures(self, settled: Callable[..., bool]):  # type: ignore[no-untyped-def]
            for number, each in enumerate(super().captures(settled)):
                if number == 3:
                    raise KeyboardInterrupt
                yield each

    with PushJournal(card.with_name("card.katydid") / "pushed.sqlite") as journal:
        uplink = KafkaUplink(KafkaUplinkSettings(servers=cluster.servers))
        source = Interrupted(card, zone="UTC", limits=SMALL)
        interrupted = Push(source, uplink, watch=lambda progress: None, notify=lambda note: None, journal=journal)
        with pytest.raises(KeyboardInterrupt):
            interrupted.run()
        assert interrupted.progress.acknowledged == 3
    assert push(card, cluster).acknowledged == 3
    assert len(received(cluster)) == 6


def test_a_journal_that_cannot_be_written_ends_the_push_and_is_no_fault_of_a_capture(
    card: Path, cluster: MockCluster
) -> None:
    class Full(PushJournal):
        def flush(self) -> None:
            if self._pending:
                raise JournalUnusable("database or disk is full")

        def acknowledge(self, cluster: str, position: Position) -> None:
            super().acknowledge(cluster, position)
            self.flush()

    class Eager(KafkaUplink):
        def send(self, capture: Capture, acknowledged: Callable[[], None]) -> None:
            super().send(capture, acknowledged)
            while self.in_flight:
                self.poll(0.1)

    notes: list[str] = []
    uplink = Eager(KafkaUplinkSettings(servers=cluster.servers))
    source = FolderSource(card, zone="UTC", limits=SMALL)
    with pytest.raises(JournalUnusable, match="disk is full"), Full(card.with_name("full.sqlite")) as journal:
        full = Push(source, uplink, watch=lambda progress: None, notify=notes.append, journal=journal)
        full.run()
    assert (notes, full.progress.acknowledged, full.progress.left_out) == ([], 1, 0)

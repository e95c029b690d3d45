"""References from strangers: followed into allowed stores and nowhere else, verified, and given up with a reason."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.sensors.capture import Capture, Clock, ClockSource, Kind, MediaRef
from katydid.sensors.errors import MediaStoreDown
from katydid.sensors.limits import Limits
from katydid.sensors.media_store import open_media_store
from katydid.sensors.references import References, open_media

MEDIA = b"RIFF" + bytes(range(256)) * 40
DIGEST = hashlib.sha256(MEDIA).hexdigest()


def capture(url: str, kind: Kind = Kind.CLIP, *, sha256: str = DIGEST, length: int = len(MEDIA)) -> Capture:
    return Capture(
        capture_id="0" * 32,
        sensor_id="s",
        kind=kind,
        captured_at=0,
        clock=Clock(source=ClockSource.NONE),
        media_type="audio/wav",
        payload_ref=MediaRef(url=url, sha256=sha256, length=length),
        sha256=sha256,
        length=length,
    )


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "night.wav"
    path.write_bytes(MEDIA)
    return path


@pytest.fixture
def store(tmp_path: Path) -> str:
    return (tmp_path / "media").as_uri()


def references(*stores: str, scratch: Path, pauses: list[float] | None = None, stop: bool = False) -> References:
    def pause(seconds: float) -> bool:
        (pauses if pauses is not None else []).append(seconds)
        return stop

    return References(stores, scratch=scratch, tries=3, wait_s=1.0, pause=pause)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_reference_into_an_allowed_store_opens_as_a_local_file_does(
    kind: Kind, store: str, recording: Path, tmp_path: Path
) -> None:
    ref = open_media_store(store).put(recording, DIGEST, len(MEDIA))
    local = references(store, scratch=tmp_path / "scratch").local(capture(ref.url, kind))
    media = open_media(local)
    assert (media if isinstance(media, bytes) else media.read_bytes()) == MEDIA
    assert local.capture_id == "0" * 32 and local.refusal == ""


def test_a_capture_that_carries_its_media_is_left_alone(tmp_path: Path) -> None:
    inline = msgspec.structs.replace(capture("x"), payload=MEDIA, payload_ref=None)
    assert references(scratch=tmp_path).local(inline) is inline


def escapes(tmp_path: Path, store: str) -> list[str]:
    inside = f"{store}/{DIGEST[:2]}/{DIGEST}"
    secret = tmp_path / "secret"
    return [
        str(secret), secret.as_uri(), f"{store}/../secret", f"{store}/{DIGEST[:2]}/../../secret",
        f"{store}/%2e%2e/secret", inside + "/../x", inside + "?x", inside.upper(), " " + inside, inside + "\0",
        inside.removeprefix("file://"), f"{store}//{DIGEST[:2]}/{DIGEST}", f"{store}x/{DIGEST[:2]}/{DIGEST}",
        f"{store}/{'0' * 2}/{'0' * 64}", "s3://bucket/media/" + DIGEST, "", "file://", "http://169.254.169.254/",
    ]  # fmt: skip


def test_no_other_url_is_followed_even_where_it_leads_to_the_right_bytes(
    store: str, recording: Path, tmp_path: Path
) -> None:
    open_media_store(store).put(recording, DIGEST, len(MEDIA))
    (tmp_path / "secret").write_bytes(MEDIA)
    follower = references(store, scratch=tmp_path / "scratch")
    for url in escapes(tmp_path, store):
        refused = follower.local(capture(url))
        assert refused.refusal.startswith("not_allowed: "), url
        assert (refused.payload, refused.payload_ref) == (b"", None)


@given(st.text(max_size=60))
def test_no_text_whatever_leads_out_of_the_store(text: str) -> None:
    follower = References(("file:///media/store",), scratch=Path("scratch"))
    for url in (text, f"file:///media/store/{text}", f"file:///media/store/{DIGEST[:2]}/{text}"):
        assert follower.local(capture(url)).refusal.startswith("not_allowed: ")


def test_without_an_allowed_store_nothing_is_followed(store: str, recording: Path, tmp_path: Path) -> None:
    ref = open_media_store(store).put(recording, DIGEST, len(MEDIA))
    assert references(scratch=tmp_path).local(capture(ref.url)).refusal.startswith("not_allowed: ")


def test_what_is_not_there_is_asked_for_again_and_then_given_up(store: str, recording: Path, tmp_path: Path) -> None:
    open_media_store(store).put(recording, DIGEST, len(MEDIA))
    other = hashlib.sha256(b"other").hexdigest()
    pauses: list[float] = []
    refused = references(store, scratch=tmp_path, pauses=pauses).local(
        capture(f"{store}/{other[:2]}/{other}", sha256=other, length=5)
    )
    assert refused.refusal.startswith("missing: ") and "3 looks" in refused.refusal
    assert pauses == [1.0, 2.0]


def test_what_comes_while_it_is_waited_for_is_taken(store: str, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()

    def arrives(seconds: float) -> bool:
        open_media_store(store).put(recording, DIGEST, len(MEDIA))
        return False

    follower = References((store,), scratch=tmp_path, tries=2, pause=arrives)
    assert open_media(follower.local(capture(f"{store}/{DIGEST[:2]}/{DIGEST}"))) == (
        tmp_path / "media" / DIGEST[:2] / DIGEST
    )


def test_told_to_stop_while_waiting_gives_up_nothing(store: str, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    with pytest.raises(MediaStoreDown, match="told to stop"):
        references(store, scratch=tmp_path, stop=True).local(capture(f"{store}/{DIGEST[:2]}/{DIGEST}"))


def test_other_bytes_than_were_sent_are_refused(store: str, recording: Path, tmp_path: Path) -> None:
    ref = open_media_store(store).put(recording, DIGEST, len(MEDIA))
    (tmp_path / "media" / DIGEST[:2] / DIGEST).write_bytes(MEDIA[::-1])
    assert references(store, scratch=tmp_path).local(capture(ref.url)).refusal.startswith("changed: ")


def test_more_than_a_sensor_may_send_is_not_fetched(store: str, recording: Path, tmp_path: Path) -> None:
    ref = open_media_store(store).put(recording, DIGEST, len(MEDIA))
    follower = References((store,), scratch=tmp_path, limits=Limits(max_bytes=len(MEDIA) - 1))
    assert follower.local(capture(ref.url)).refusal.startswith("too_many_bytes: ")


def test_a_store_that_does_not_answer_is_not_the_captures_fault(store: str, tmp_path: Path) -> None:
    with pytest.raises(MediaStoreDown):
        references(store, scratch=tmp_path).local(capture(f"{store}/{DIGEST[:2]}/{DIGEST}"))


def test_copies_from_a_bucket_go_when_they_are_released_and_a_shared_folder_keeps_its_own(
    store: str, recording: Path, tmp_path: Path
) -> None:
    pytest.importorskip("fsspec", reason="needs the kafka extra")
    bucket, scratch = f"memory://{tmp_path.name}", tmp_path / "scratch"
    follower = references(store, bucket, scratch=scratch)
    for url, left in ((bucket, False), (store, True)):
        local = follower.local(capture(open_media_store(url).put(recording, DIGEST, len(MEDIA)).url))
        path = open_media(local)
        assert isinstance(path, Path) and path.read_bytes() == MEDIA
        for _ in range(2):
            follower.release(local)
        assert path.exists() is left
    assert not list(scratch.iterdir())

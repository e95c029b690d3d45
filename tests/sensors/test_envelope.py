"""Messages: what is packed is unpacked byte for byte, now and from the golden files of earlier versions."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from katydid.sensors import envelope
from katydid.sensors.capture import Capture, Clock, ClockSource, Fact, Kind, MediaRef, Place, ZoneSource
from katydid.sensors.envelope import Envelope
from katydid.sensors.errors import EnvelopeError

GOLDEN = Path(__file__).parent / "golden"
MEDIA = b"the encoded bytes exactly as they came"

FRAME = Capture(
    capture_id="0178c2ac8348ff6527da6939c2d99617",
    sensor_id="H2RXEM06043616",
    kind=Kind.FRAME,
    captured_at=1_618_170_189_000_000_000,
    clock=Clock(
        source=ClockSource.EXIF,
        recorded="2021:04:11 20:43:09",
        zone="+01:00",
        zone_source=ZoneSource.DEPLOYMENT,
        flags=("fold",),
    ),
    media_type="image/jpeg",
    payload=MEDIA,
    sha256=hashlib.sha256(MEDIA).hexdigest(),
    length=len(MEDIA),
    sequence=31,
    place=Place(latitude=51.496, longitude=4.774, uncertainty_m=187.0, source="deployment"),
    facts=(Fact(name="temperature_c", value="2", read_from="exif"),),
    file="media/new\nline \u202e.JPG",
)
CLIP = Capture(
    capture_id="018fbea47500119882168928d1a0383a",
    sensor_id="höhle",
    kind=Kind.CLIP,
    captured_at=1_716_890_400_000_000_000,
    clock=Clock(source=ClockSource.NONE),
    media_type="audio/wav",
    payload_ref=MediaRef(url="s3://media/ab", sha256="ab" * 32, length=1 << 33),
    sha256="ab" * 32,
    length=1 << 33,
)
REFUSED = msgspec.structs.replace(FRAME, payload=b"", refusal="unreadable: Permission denied", length=17)


@pytest.mark.parametrize("capture", [FRAME, CLIP, REFUSED], ids=["frame", "reference", "refused"])
def test_a_capture_survives_the_wire(capture: Capture) -> None:
    assert envelope.unpack(envelope.pack(capture)) == capture


def test_the_key_is_the_sensor_and_the_value_the_media_themselves() -> None:
    packed = envelope.pack(FRAME)
    assert (packed.key, packed.value) == (b"H2RXEM06043616", MEDIA)
    assert envelope.pack(CLIP).value == b"" and envelope.pack(CLIP).key == "höhle".encode()
    ((name, header),) = packed.headers
    assert name == "katydid.capture" and MEDIA not in header


@pytest.mark.parametrize(("name", "capture"), [("frame", FRAME), ("clip", CLIP), ("refused", REFUSED)])
def test_messages_of_version_1_read_as_they_did(name: str, capture: Capture) -> None:
    """Never write these files anew: they stand for messages that lie in topics and on cards."""
    header = (GOLDEN / f"{name}.v1.json").read_bytes()
    message = Envelope(
        key=capture.sensor_id.encode(), value=capture.payload or b"", headers=((envelope.HEADER, header),)
    )
    assert envelope.unpack(message) == capture


@pytest.mark.parametrize(("name", "capture"), [("frame", FRAME), ("clip", CLIP), ("refused", REFUSED)])
def test_messages_are_still_written_as_in_version_1(name: str, capture: Capture) -> None:
    ((_, header),) = envelope.pack(capture).headers
    assert json.loads(header) == json.loads((GOLDEN / f"{name}.v1.json").read_bytes())


texts = st.text(st.characters(codec="utf-8"), max_size=20)
whole = st.integers(-(1 << 63), (1 << 63) - 1)


@given(
    st.builds(
        Capture,
        capture_id=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
        sensor_id=texts,
        kind=st.sampled_from(Kind),
        captured_at=whole,
        clock=st.builds(Clock, source=st.sampled_from(ClockSource), recorded=texts, zone=texts),
        media_type=texts,
        payload=st.binary(max_size=50),
        payload_ref=st.none(),
        sha256=st.just(""),
        length=st.just(0),
        sequence=st.none() | whole,
        place=st.none() | st.builds(Place, latitude=st.floats(-90, 90), longitude=st.floats(-180, 180)),
        facts=st.lists(st.builds(Fact, name=texts, value=texts, read_from=texts), max_size=3).map(tuple),
        file=texts,
        refusal=texts,
    )
)
def test_any_capture_survives_the_wire(capture: Capture) -> None:
    payload = capture.payload or b""
    capture = msgspec.structs.replace(capture, sha256=hashlib.sha256(payload).hexdigest(), length=len(payload))
    assert envelope.unpack(envelope.pack(capture)) == capture


def with_header(header: bytes, key: bytes = b"H2RXEM06043616", value: bytes = MEDIA) -> Envelope:
    return Envelope(key=key, value=value, headers=((envelope.HEADER, header),))


def header_of(capture: Capture) -> bytes:
    return envelope.pack(capture).headers[0][1]


def test_a_version_from_the_future_is_refused_before_its_content_is_looked_at() -> None:
    with pytest.raises(EnvelopeError, match="version 2"):
        envelope.unpack(with_header(b'{"v": 2, "capture": "another shape altogether"}'))


def test_a_field_that_a_later_writer_added_is_passed_over() -> None:
    header = header_of(FRAME).replace(b'"v":1,', b'"v":1,"note":"new",').replace(b'"kind":', b'"mood":"fine","kind":')
    assert envelope.unpack(with_header(header)) == FRAME


@pytest.mark.parametrize(
    "message",
    [
        Envelope(key=b"", value=b"", headers=()),
        Envelope(key=b"x", value=MEDIA, headers=(("traceparent", b"00-1"),)),
        with_header(b""),
        with_header(b"{}"),
        with_header(b'{"v": 0, "capture": {}}'),
        with_header(b'{"v": 1, "capture": {}}'),
        with_header(b"\xff\xfe"),
        with_header(b'{"v": 1, "capture": {"kind": "\xff"}}'),
        with_header(header_of(FRAME), key=b"another"),
        with_header(header_of(FRAME), value=MEDIA[:-1]),
        with_header(header_of(FRAME), value=MEDIA[:-1] + b"!"),
        with_header(header_of(CLIP), key="höhle".encode(), value=b"extra"),
    ],
)
def test_what_is_none_of_ours_or_was_damaged_is_an_envelope_error(message: Envelope) -> None:
    with pytest.raises(EnvelopeError):
        envelope.unpack(message)


def test_a_capture_with_both_or_neither_of_bytes_and_reference_is_not_sent() -> None:
    for payload, ref in ((None, None), (MEDIA, CLIP.payload_ref)):
        with pytest.raises(EnvelopeError):
            envelope.pack(msgspec.structs.replace(FRAME, payload=payload, payload_ref=ref))


def test_text_that_utf_8_cannot_hold_is_not_sent() -> None:
    with pytest.raises(EnvelopeError):
        envelope.pack(msgspec.structs.replace(FRAME, sensor_id="\udcff"))

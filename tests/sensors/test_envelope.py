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


NEST = b"[" * 30_000 + b"]" * 30_000


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b'"v":1,', b'"v":1,"note":' + NEST + b",", "no capture"),
        (b'"kind":', b'"note":' + NEST + b',"kind":', "no capture"),
        (b'"captured_at":1618170189000000000', b'"captured_at":' + b"9" * 30, "64 bits"),
        (b'"sequence":31', b'"sequence":-' + b"9" * 30, "64 bits"),
        (b'"length":38', b'"length":-1', "cannot have"),
        (b'"length":38', b'"length":' + b"9" * 400, "cannot have"),
        (b'"latitude":51.496', b'"latitude":1e999', "no capture"),
        (b'"sensor_id":"H2RXEM06043616"', b'"sensor_id":"\\ud800"', "no capture"),
        (b'"capture_id":"0178', b'"capture_id":"../0178', "no id"),
        (b'"payload":null', b'"payload":"QUJD"', "holds media"),
    ],
)
def test_a_header_is_believed_in_nothing(old: bytes, new: bytes, says: str) -> None:
    header = header_of(FRAME)
    assert old in header
    with pytest.raises(EnvelopeError, match=says):
        envelope.unpack(with_header(header.replace(old, new)))


def test_a_reference_to_other_media_than_those_of_the_capture_is_refused() -> None:
    for old, new in ((b'"length":8589934592', b'"length":8589934591'), (b'"sha256":"abab', b'"sha256":"cdab')):
        with pytest.raises(EnvelopeError, match="other media"):
            envelope.unpack(with_header(header_of(CLIP).replace(old, new, 1), key="höhle".encode(), value=b""))


def test_a_header_over_the_bound_is_refused_on_both_sides_before_it_is_decoded() -> None:
    header = header_of(FRAME)
    padded = header + b" " * (envelope.MAX_HEADER_BYTES - len(header))
    assert envelope.unpack(with_header(padded)) == FRAME
    with pytest.raises(EnvelopeError, match="131,073 bytes"):
        envelope.unpack(with_header(padded + b" "))
    with pytest.raises(EnvelopeError, match="over the limit"):
        envelope.pack(msgspec.structs.replace(FRAME, file="x" * envelope.MAX_HEADER_BYTES))


def test_the_longest_that_a_file_can_say_of_itself_fits() -> None:
    """30 facts of 300 letters of four bytes each, and a path of 4,096 bytes that JSON has to escape."""
    longest = tuple(Fact(name=f"fact_{n}", value="\U0001f997" * 300, read_from="guano") for n in range(30))
    packed = envelope.pack(msgspec.structs.replace(FRAME, facts=longest, file="\x01" * 4096))
    assert envelope.unpack(packed).facts == longest


def test_our_header_twice_is_refused() -> None:
    twice = Envelope(key=b"x", value=MEDIA, headers=envelope.pack(FRAME).headers * 2)
    with pytest.raises(EnvelopeError, match="2 headers"):
        envelope.unpack(twice)


def test_headers_of_others_may_stand_beside_ours() -> None:
    packed = envelope.pack(FRAME)
    traced = msgspec.structs.replace(packed, headers=(("traceparent", b"00-1"), *packed.headers, ("x", b"")))
    assert envelope.unpack(traced) == FRAME


def test_missing_fields_take_their_defaults() -> None:
    """What the first writer could have left out: everything that has a default."""
    digest = hashlib.sha256(MEDIA).hexdigest()
    header = json.dumps(
        {
            "v": 1,
            "capture": {
                "capture_id": "0" * 32,
                "sensor_id": "s",
                "kind": "clip",
                "captured_at": 5,
                "clock": {"source": "none"},
                "media_type": "audio/wav",
                "sha256": digest,
                "length": len(MEDIA),
            },
        }
    ).encode()
    read = envelope.unpack(with_header(header, key=b"s"))
    assert (read.clock.zone, read.sequence, read.place, read.facts, read.file, read.refusal) == (
        "UTC", None, None, (), "", "",
    )  # fmt: skip


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_has_no_word_for_are_not_sent(number: float) -> None:
    for place in (Place(latitude=number, longitude=0.0), Place(latitude=0.0, longitude=0.0, elevation_m=number)):
        with pytest.raises(EnvelopeError, match="finite"):
            envelope.pack(msgspec.structs.replace(FRAME, place=place))


@given(st.binary(max_size=300), st.binary(max_size=20), st.binary(max_size=20))
def test_no_bytes_whatever_raise_anything_but_an_envelope_error(header: bytes, key: bytes, value: bytes) -> None:
    with pytest.raises(EnvelopeError):
        envelope.unpack(with_header(header, key=key, value=value))


@given(st.data())
def test_a_header_damaged_anywhere_gives_a_capture_or_an_envelope_error(data: st.DataObject) -> None:
    header = bytearray(header_of(FRAME))
    for _ in range(data.draw(st.integers(1, 4))):
        header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = envelope.unpack(with_header(bytes(header)))
    except EnvelopeError:
        return
    assert read.payload == MEDIA and read.sha256 == FRAME.sha256
    assert envelope.unpack(envelope.pack(read)) == read


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

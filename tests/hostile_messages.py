"""Messages that nobody of ours would write, and what must become of each.

`hostile_messages()` gives them for topics of clips and health: "right" ends as an outcome that is identified or empty,
anything else is the reason of a dead letter, and of a refused outcome too where the envelope can be read; "unstored"
has an outcome in its topic and none in InfluxDB.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kafka_workers import clip, wav
from katydid.sensors.envelope import HEADER, pack
from katydid.streams.kafka.configuration import MESSAGE_BYTES

RIGHT, UNSTORED = "right", "unstored"
ODD = "cam\n\u202e\x1b[31m1"
"""A sensor's name that would make two lines of one, turn the rest around and paint it red."""


@dataclass(frozen=True)
class HostileMessage:
    """One message for the topic of clips, or another one."""

    what: str
    expectation: str
    value: bytes | None = b""
    key: bytes | None = b"recorder-1"
    headers: tuple[tuple[str, bytes | None], ...] = ()
    topic: str = "clips"
    capture_id: str = ""
    """Where the envelope can be read."""
    kept_elsewhere: bool = False
    """The original does not lie beside its reason: it is too large, or its outcome was at fault."""


def hostile_messages() -> Iterator[HostileMessage]:
    yield from _without_an_envelope()
    yield from _broken_headers()
    yield from _false_claims()
    yield from _odd_captures()
    yield from _large()
    yield from _health()


def _without_an_envelope() -> Iterator[HostileMessage]:
    yield HostileMessage("nothing at all", "envelope", None, None)
    yield HostileMessage("media without an envelope", "envelope", wav(1))
    yield HostileMessage("a header that is not there", "envelope", wav(1), headers=((HEADER, None),))
    yield HostileMessage("fifty thousand headers", "envelope", headers=tuple((f"h{n}", b"1") for n in range(50_000)))
    mark = b'{"partition":0,"offset":0}'
    yield HostileMessage("a mark that would hide a letter", "envelope", headers=(("katydid.retried", mark),))
    yield HostileMessage("a reason of its own", "envelope", headers=(("katydid.deadletter", b'{"reason":"no"}'),))
    yield HostileMessage("a header with an odd name", "envelope", headers=(("a\n\u202e", b"\x1b[31m"),))


def _broken_headers() -> Iterator[HostileMessage]:
    envelope = pack(clip(1_000))
    good = envelope.headers[0][1]
    broken = {
        "cut off": good[: len(good) // 2],
        "no JSON": b"{{{",
        "no UTF-8": b'{"v":1,"capture":"\xff\xfe"}',
        "a list": b"[]",
        "a thousand lists": b"[" * 100_000,
        "from the future": good.replace(b'{"v":1', b'{"v":2'),
        "from the far future": good.replace(b'{"v":1', b'{"v":%d' % 10**40),
        "of no version": good.replace(b'{"v":1', b'{"v":0'),
        "of version one and a half": good.replace(b'{"v":1', b'{"v":1.5'),
        "of a kind that nobody knows": good.replace(b'"clip"', b'"hologram"'),
        "of 200 kB": good.replace(b'"file":"', b'"file":"' + b"x" * 200_000),
    }
    for what, header in broken.items():
        yield HostileMessage(f"a header {what}", "envelope", envelope.value, envelope.key, ((HEADER, header),))
    yield HostileMessage("two headers", "envelope", envelope.value, envelope.key, ((HEADER, good), (HEADER, good)))
    yield HostileMessage("another's key", "envelope", envelope.value, b"recorder-9", envelope.headers)
    yield HostileMessage("no key", "envelope", envelope.value, None, envelope.headers)


class _Claim:
    """A header as JSON, to be falsified; each has a capture's id of its own."""

    number = 2_000

    def __init__(self, media: bytes | None = None, **changes: Any) -> None:
        _Claim.number += 1
        envelope = pack(clip(self.number, media))
        self.value = envelope.value
        self.header: dict[str, Any] = json.loads(envelope.headers[0][1])
        self.header["capture"].update(changes)

    def message(
        self, what: str, expectation: str, value: bytes | None = None, *, kept_elsewhere: bool = False
    ) -> HostileMessage:
        capture = self.header["capture"]
        readable = expectation != "envelope"
        return HostileMessage(
            what,
            expectation,
            self.value if value is None else value,
            capture["sensor_id"].encode(),
            ((HEADER, json.dumps(self.header).encode()),),
            capture_id=capture["capture_id"] if readable else "",
            kept_elsewhere=kept_elsewhere,
        )


def _false_claims() -> Iterator[HostileMessage]:
    yield _Claim().message("other media", "corrupted", b"other media")
    yield _Claim(length=1).message("another length", "corrupted")
    yield _Claim(payload="AAAA").message("media in the header", "envelope")
    yield _Claim(capture_id="../../etc/passwd").message("an id that is a path", "envelope")
    yield _Claim(sha256="x").message("a digest that is none", "envelope")
    yield _Claim(captured_at=2**63).message("a time of 65 bits", "envelope")
    yield _Claim(length=-1).message("a negative length", "envelope")
    for what, url in (("file of this machine", "file:///etc/passwd"), ("server", "http://127.0.0.1:1/x")):
        reference = {"url": url, "sha256": "0" * 64, "length": 9}
        claim = _Claim(payload_ref=reference, sha256="0" * 64, length=9)
        yield claim.message(f"a reference to a {what}", "not_allowed", b"")
    yield _Claim(payload_ref={"url": "file:///x", "sha256": "1" * 64, "length": 9}).message("two media", "envelope")
    yield _Claim(b"this is no sound").message("text that says it is a sound", "not_media")
    yield _Claim(media_type="image/jpeg").message("a sound that says it is a JPEG", RIGHT)
    yield _Claim(media_type="text/html\n<script>").message("a sound that says it is a page", RIGHT)
    yield _Claim(kind="frame").message("a sound that says it is a frame", "unsupported")


def _odd_captures() -> Iterator[HostileMessage]:
    yield _Claim(b"no sound at all", sensor_id=ODD, file=f"new\nline {ODD}.wav").message("an odd name", "not_media")
    yield _Claim(sensor_id=ODD, file=f"new\nline {ODD}.wav").message("an odd name for good media", RIGHT)
    yield _Claim(sensor_id="").message("a sensor without a name", RIGHT)
    yield _Claim(sensor_id="s" * 1_000).message("a sensor of a thousand letters", RIGHT)
    yield _Claim(sensor_id="s" * 9_000).message("a sensor of nine thousand letters", UNSTORED, kept_elsewhere=True)
    yield _Claim(file="f" * 100_000).message("a file of a hundred thousand letters", RIGHT)
    facts = [{"name": f"n{n}", "value": "x", "read_from": "guano"} for n in range(2_000)]
    yield _Claim(facts=facts).message("two thousand facts", RIGHT)
    for what, at in (("1716", -8 * 10**18), ("2225", 8 * 10**18), ("1970", 0)):
        yield _Claim(captured_at=at).message(f"a clock of {what}", RIGHT)
    zone = {"source": "none", "zone": "Not/A\nZone", "resolution_s": 1e300, "uncertainty_s": -1.0}
    yield _Claim(clock=zone).message("a zone that is none", RIGHT)
    for latitude, longitude in ((91.0, 181.0), (1e300, -1e300), (-90.0, 180.0)):
        place = {"latitude": latitude, "longitude": longitude}
        yield _Claim(place=place).message(f"a place at {latitude:g}, {longitude:g}", RIGHT)
    yield _Claim(refusal="new\nline: \u202eodd").message("a refusal that is odd", "new\nline")


def _large() -> Iterator[HostileMessage]:
    """Just under what a topic takes: with its reason a dead letter would not fit."""
    room = MESSAGE_BYTES - 300
    yield HostileMessage("a value of 12 MiB", "envelope", bytes(room), kept_elsewhere=True)
    yield HostileMessage("a key of 12 MiB", "envelope", b"", b"k" * room, kept_elsewhere=True)
    yield HostileMessage("a header of 12 MiB", "envelope", headers=(("h", bytes(room)),), kept_elsewhere=True)
    yield HostileMessage("our header of 12 MiB", "envelope", headers=((HEADER, bytes(room)),), kept_elsewhere=True)
    noise = hashlib.shake_256(b"noise").digest(11 << 20)
    yield _Claim(noise).message("a capture of 11 MiB of noise", "not_media")


def _health() -> Iterator[HostileMessage]:
    for what, value in {
        "nothing": None,
        "no JSON": b"{",
        "a list": b"[1]",
        "a voltage that is none": b'{"sensor_id":"recorder-1","at":1,"battery_v":"full"}',
        "another's": b'{"sensor_id":"recorder-2","at":1}',
        "not a number": b'{"sensor_id":"recorder-1","at":1,"battery_v":NaN}',
    }.items():
        yield HostileMessage(f"health: {what}", "health", value, topic="health")
    endless = b'{"sensor_id":"recorder-1","at":1,"storage_free_bytes":%d}' % 2**63
    yield HostileMessage("health: more bytes than there are", UNSTORED, endless, topic="health")
    early = b'{"sensor_id":"recorder-1","at":%d,"battery_v":3.5}' % -(2**63)
    yield HostileMessage("health: a time before time", UNSTORED, early, topic="health")

"""What our own live sources write beside the standard fields, read again; and what strangers may write there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from katydid.sensors.capture import ClockSource
from katydid.sensors.clock import resolve
from katydid.sensors.metadata import own
from katydid.sensors.metadata.records import iso_reading

_PLAIN = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1, max_size=30)


@given(st.fixed_dictionaries(dict.fromkeys((own.CLOCK, own.TRIGGER, own.CONDITION, own.STOPPED_BY), _PLAIN)))
def test_what_is_written_is_read(values: dict[str, str]) -> None:
    read = own.facts(own.fields("\n".join(own.lines(values)).encode()))
    assert read == {
        "clock": values[own.CLOCK],
        "trigger": values[own.TRIGGER],
        "condition": values[own.CONDITION],
        "stopped_by": values[own.STOPPED_BY],
    }


@given(st.binary(max_size=300))
def test_anything_can_stand_there(block: bytes) -> None:
    said = own.fields(b"Katydid|Clock Uncertainty: " + block)
    moment = iso_reading(ClockSource.EXIF, "2026-06-01T12:00:00Z")
    assert moment is not None
    doubted = own.doubted(moment, said)
    assert 0 <= doubted.uncertainty_s <= 3.2e9
    assert resolve([doubted])[1].uncertainty_s == 1.0 + doubted.uncertainty_s


def test_other_peoples_comments_say_nothing() -> None:
    assert own.fields(b"Taken at the lake. Clock: host") == {}

"""From one sensor's outcomes to the animals and bouts of song in them: what ecologists count.

    follow(outcomes, settings)
      │  each capture once, by session (noon to noon, local), in the order in which they were made    looks, sessions
      ├─ frames: boxes linked from frame to frame                                                     frames, linking
      ├─ clips: events of a taxon merged into bouts                                                   clips
      └─ one name from all detections of each                                                         fusing

A pure function: the same outcomes give the same occurrences, in whatever order, pieces and copies they come. So a host
follows a session again whenever something was added to it, and replaces what it had.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from katydid.models.follow import frames
from katydid.models.follow.clips import Event, bouts
from katydid.models.follow.frames import Track
from katydid.models.follow.fusing import Fused, fuse
from katydid.models.follow.looks import Look, Seen, in_order, look_of, restarts
from katydid.models.follow.sessions import session_of
from katydid.models.follow.settings import ClipSettings, FollowSettings, FrameSettings
from katydid.models.occurrence import Occurrence
from katydid.models.outcome import Outcome
from katydid.sensors.capture import Kind
from katydid.sensors.identity import occurrence_id

__all__ = ["ClipSettings", "FollowSettings", "FrameSettings", "follow", "follow_looks", "session_of"]

DEFAULTS = FollowSettings()
"""What there is without a word from the user."""


def follow(outcomes: Iterable[Outcome], settings: FollowSettings = DEFAULTS) -> tuple[Occurrence, ...]:
    """The occurrences in some outcomes, by first_seen and id. Those of several sensors and sessions are followed each
    by itself; every detection is in exactly one occurrence."""
    return follow_looks(map(look_of, outcomes), settings)


def follow_looks(looks: Iterable[Look], settings: FollowSettings = DEFAULTS) -> tuple[Occurrence, ...]:
    """The same from what follow needs to know of the outcomes. A capture that says nothing of when it was made is
    followed alone: pictures copied in one second are no film; so is each run of a clock that nobody set."""
    sessions: dict[tuple[str, str, Kind, str], list[Look]] = {}
    for look in in_order(looks):
        alone = "" if look.dated else look.capture_id
        sessions.setdefault((look.sensor_id, session_of(look.at, look.zone), look.kind, alone), []).append(look)
    found: list[Occurrence] = []
    digest = settings.digest()
    for (_, session, kind, _), every in sessions.items():
        for some in _runs(every):
            if kind is Kind.FRAME:
                tracks = frames.tracks(some, settings.frames)
                found.extend(_animal(track, session, settings, digest) for track in tracks)
            else:
                found.extend(_bout(bout, session, settings, digest) for bout in bouts(some, settings.clips))
    return tuple(sorted(found, key=lambda occurrence: (occurrence.first_seen, occurrence.occurrence_id)))


def _runs(looks: list[Look]) -> Iterable[list[Look]]:
    """The looks of a session, those of a clock that began anew apart."""
    run_of = restarts(looks)
    if not run_of:
        return [looks]
    runs: dict[int, list[Look]] = {}
    for look in looks:
        runs.setdefault(run_of.get(look.capture_id, -1), []).append(look)
    return runs.values()


def _animal(track: Track, session: str, settings: FollowSettings, digest: str) -> Occurrence:
    first, last = track.looks[0], track.looks[-1]
    length = _length(track)
    return _occurrence(
        fuse(track.sightings, settings.alternatives),
        first,
        session,
        first_seen=first.at,
        last_seen=last.at,
        active_s=(last.at - first.at) / 1e9,
        captures=len(track.looks),
        seen=[seen for sighting in track.sightings for seen in sighting],
        length_px=length,
        body_length_mm=None if length is None or settings.mm_per_px is None else length * settings.mm_per_px,
        digest=digest,
    )


def _bout(bout: Sequence[Event], session: str, settings: FollowSettings, digest: str) -> Occurrence:
    first, last = bout[0], max(bout, key=lambda event: event.end_s)
    active, end = 0.0, first.start_s
    for event in bout:
        active += max(0.0, event.end_s - max(end, event.start_s))
        end = max(end, event.end_s)
    return _occurrence(
        fuse([[event.seen] for event in bout], settings.alternatives),
        first.look,
        session,
        first_seen=first.look.at + _ns(first.seen, 0),
        last_seen=last.look.at + (round(last.look.seconds * 1e9) if last.seen.span is None else _ns(last.seen, 1)),
        active_s=active,
        captures=len({event.look.capture_id for event in bout}),
        seen=[event.seen for event in bout],
        length_px=None,
        body_length_mm=None,
        digest=digest,
    )


def _ns(seen: Seen, end: int) -> int:
    return 0 if seen.span is None else round(seen.span[end] * 1e9)


def _occurrence(
    fused: Fused,
    first: Look,
    session: str,
    *,
    first_seen: int,
    last_seen: int,
    active_s: float,
    captures: int,
    seen: Sequence[Seen],
    length_px: float | None,
    body_length_mm: float | None,
    digest: str,
) -> Occurrence:
    return Occurrence(
        occurrence_id=occurrence_id(seen[0].detection_id),
        sensor_id=first.sensor_id,
        kind=first.kind,
        session=session,
        first_seen=first_seen,
        last_seen=last_seen,
        active_s=active_s,
        captures=captures,
        detections=tuple(one.detection_id for one in seen),
        best_detection_id=fused.best_detection_id,
        taxon=fused.taxon,
        score=fused.score,
        probability=fused.probability,
        lineage=fused.lineage,
        alternatives=fused.alternatives,
        verdict=fused.verdict,
        accepted=fused.accepted,
        length_px=length_px,
        body_length_mm=body_length_mm,
        models=fused.models,
        settings_digest=digest,
    )


def _length(track: Track) -> float | None:
    """Median of the longer side of its boxes, pixels."""
    sides = [
        max(sighting[0].box[2] * look.width, sighting[0].box[3] * look.height)
        for look, sighting in zip(track.looks, track.sightings, strict=True)
        if sighting[0].box is not None and look.width
    ]
    return median(sides) if sides else None

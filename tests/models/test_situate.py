"""Context: place, sun and the place-and-season prior."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import msgspec
import numpy as np
import pytest

from katydid.models.coverage import known_taxa
from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.manifest import BundleKind, Role
from katydid.models.model import open_model
from katydid.models.outcome import Decision, Detection, Outcome, Span, Status, Taxon, Verdict
from katydid.models.settings import IdentifySettings
from katydid.models.situate import FLOOR, Priors, PriorTable, place_of, prior_table, situate, week_of
from katydid.sensors.capture import Clock, ClockSource, Kind, Place

LEIDEN = Place(latitude=52.16, longitude=4.49, source="option")
SYDNEY = Place(latitude=-33.87, longitude=151.21, source="deployment")
MAY = round(dt.datetime(2024, 5, 20, 12, tzinfo=dt.UTC).timestamp() * 1e9)
SETTINGS = IdentifySettings()

BLACKBIRD = Taxon(taxon_id="name:Turdus merula", name="Turdus merula", rank="species")
LYREBIRD = Taxon(taxon_id="name:Menura novaehollandiae", name="Menura novaehollandiae", rank="species")
KATYDID = Taxon(taxon_id="name:Tettigonia viridissima", name="Tettigonia viridissima", rank="species")
ENGINE = Taxon(taxon_id="name:Engine", name="Engine", rank="none")

PRIOR = PriorTable(
    bundle="birdnet-geo-2.4",
    week=19,
    cut=0.03,
    by_taxon={BLACKBIRD.taxon_id: 0.95, LYREBIRD.taxon_id: 0.0001, "Engine": 0.001, "Turdus": 0.95},
)


def heard(taxon: Taxon | None, *, score: float = 0.9, verdict: Verdict = Verdict.ACCEPTED) -> Detection:
    return Detection(
        detection_id="0" * 32, ordinal=0, model="birdnet-2.4", model_digest="", taxon=taxon, score=score,
        span=Span(start_s=3600.0, end_s=3603.0),
        decision=Decision(verdict=verdict, reason=f"score {score:.2f}; as the model said"),
    )  # fmt: skip


def outcome(*detections: Detection, place: Place | None = None, clock: ClockSource = ClockSource.GUANO) -> Outcome:
    return Outcome(
        capture_id="1" * 32, sensor_id="r1", kind=Kind.CLIP, captured_at=MAY, clock=Clock(source=clock),
        media_type="audio/wav", sha256="0" * 64, length=1, place=place, status=Status.IDENTIFIED,
        detections=detections,
    )  # fmt: skip


def only(situated: Outcome) -> Detection:
    (detection,) = situated.detections
    return detection


def test_an_expected_bird_stays_accepted_with_its_posterior() -> None:
    """0.9 x 0.95."""
    found = only(situate(outcome(heard(BLACKBIRD)), place=LEIDEN, prior=PRIOR, settings=SETTINGS))
    assert found.posterior == pytest.approx(0.855)
    assert found.context is not None
    assert (found.context.prior, found.context.expected, found.context.allowed) == (0.95, True, False)
    assert found.context.prior_bundle == "birdnet-geo-2.4"
    assert found.decision == heard(BLACKBIRD).decision


def test_a_lyrebird_in_leiden_goes_to_review_and_stays_in_the_list() -> None:
    before = outcome(heard(BLACKBIRD), heard(LYREBIRD))
    after = situate(before, place=LEIDEN, prior=PRIOR, settings=SETTINGS)
    assert len(after.detections) == 2
    lyrebird = after.detections[1]
    assert lyrebird.decision.verdict is Verdict.REVIEW
    assert lyrebird.decision.reason.startswith("not expected here in week 19: prior 0.000 under 0.03")
    assert lyrebird.decision.reason.endswith("score 0.90; as the model said")
    assert lyrebird.context is not None and lyrebird.context.expected is False
    assert lyrebird.posterior == pytest.approx(0.9 * FLOOR), "no prior counts for less than the floor"


def test_media_only_numbers_never_change() -> None:
    before = heard(LYREBIRD)
    after = only(situate(outcome(before), place=LEIDEN, prior=PRIOR, settings=SETTINGS))
    assert (after.score, after.probability, after.lineage) == (before.score, before.probability, before.lineage)


def test_an_allow_list_wins_over_the_prior_which_is_stored_all_the_same() -> None:
    settings = IdentifySettings(allow=("Menura novaehollandiae",))
    found = only(situate(outcome(heard(LYREBIRD)), place=LEIDEN, prior=PRIOR, settings=settings))
    assert found.context is not None
    assert (found.context.prior, found.context.expected, found.context.allowed) == (0.0001, True, True)
    assert found.posterior == 0.9
    assert found.decision.verdict is Verdict.ACCEPTED


def test_what_the_geo_model_does_not_know_has_no_prior_and_is_not_suspect() -> None:
    found = only(situate(outcome(heard(KATYDID)), place=LEIDEN, prior=PRIOR, settings=SETTINGS))
    assert found.context is not None
    assert (found.context.prior, found.context.expected, found.posterior) == (None, None, None)
    assert found.decision.verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("taxon", [ENGINE, None])
def test_what_is_no_taxon_has_no_prior(taxon: Taxon | None) -> None:
    found = only(situate(outcome(heard(taxon)), place=LEIDEN, prior=PRIOR, settings=SETTINGS))
    assert found.context is not None and found.context.prior is None and found.posterior is None


def test_a_genus_has_the_largest_prior_of_its_species() -> None:
    thrush = Taxon(taxon_id="name:Turdus", name="Turdus", rank="genus")
    found = only(situate(outcome(heard(thrush)), place=LEIDEN, prior=PRIOR, settings=SETTINGS))
    assert found.context is not None and found.context.prior == 0.95


def test_a_decision_that_was_no_acceptance_is_left_as_it_is() -> None:
    before = heard(LYREBIRD, score=0.2, verdict=Verdict.REVIEW)
    found = only(situate(outcome(before), place=LEIDEN, prior=PRIOR, settings=SETTINGS))
    assert found.decision == before.decision


def test_running_it_again_changes_nothing_and_a_later_word_replaces_an_earlier() -> None:
    bare = outcome(heard(LYREBIRD), heard(BLACKBIRD))
    once = situate(bare, place=LEIDEN, prior=PRIOR, settings=SETTINGS)
    assert situate(once, place=LEIDEN, prior=PRIOR, settings=SETTINGS) == once
    at_home = PriorTable(bundle="birdnet-geo-2.4", week=19, cut=0.03, by_taxon={LYREBIRD.taxon_id: 0.8})
    moved = situate(once, place=SYDNEY, prior=at_home, settings=SETTINGS)
    assert moved == situate(bare, place=SYDNEY, prior=at_home, settings=SETTINGS)
    assert moved.detections[0].decision.verdict is Verdict.ACCEPTED


def test_without_a_place_nothing_is_claimed() -> None:
    found = only(situate(outcome(heard(BLACKBIRD)), place=None, prior=None, settings=SETTINGS))
    assert found.context is None and found.posterior is None


def test_without_a_prior_the_sun_still_stands_somewhere() -> None:
    """NOAA's calculator for Leiden, 2024-05-20 13:00 UTC, an hour into the clip: solar time 13:21."""
    found = only(situate(outcome(heard(BLACKBIRD)), place=LEIDEN, prior=None, settings=SETTINGS))
    assert found.context is not None
    assert found.context.local_solar_hour == pytest.approx(13 + 21.5 / 60, abs=0.02)
    assert found.context.sun_elevation_deg == pytest.approx(53.7, abs=0.7)
    assert found.posterior is None


def test_without_a_time_the_sun_is_not_placed() -> None:
    found = only(
        situate(outcome(heard(BLACKBIRD), clock=ClockSource.NONE), place=LEIDEN, prior=None, settings=SETTINGS)
    )
    assert found.context is not None and found.context.sun_elevation_deg is None


@pytest.mark.parametrize(
    "clock",
    [
        Clock(source=ClockSource.FILE_DATE, flags=("no_reading",)),
        Clock(source=ClockSource.EXIF, flags=("before_2000",)),
        Clock(source=ClockSource.EXIF, flags=("fold", "in_future")),
        Clock(source=ClockSource.NONE),
    ],
    ids=lambda clock: ",".join(clock.flags) or clock.source.value,
)
def test_a_time_that_says_nothing_of_the_season_makes_no_bird_unexpected(clock: Clock) -> None:
    timeless = msgspec.structs.replace(outcome(heard(LYREBIRD)), clock=clock)
    assert only(situate(outcome(heard(LYREBIRD)), place=LEIDEN, prior=PRIOR, settings=SETTINGS)).posterior is not None
    found = only(situate(timeless, place=LEIDEN, prior=PRIOR, settings=SETTINGS))
    assert (found.decision.verdict, found.posterior) == (Verdict.ACCEPTED, None)
    assert found.context is not None
    assert (found.context.prior, found.context.expected, found.context.local_solar_hour) == (None, None, None)


def test_without_a_time_the_prior_of_the_whole_year_weighs_and_the_sun_stays_out() -> None:
    timeless = msgspec.structs.replace(
        outcome(heard(BLACKBIRD), heard(LYREBIRD)), clock=Clock(source=ClockSource.FILE_DATE, flags=("no_reading",))
    )
    year = dataclasses.replace(PRIOR, week=None)
    blackbird, lyrebird = situate(timeless, place=LEIDEN, prior=year, settings=SETTINGS).detections
    assert blackbird.posterior == pytest.approx(0.855)
    assert blackbird.context is not None and blackbird.context.sun_elevation_deg is None
    assert lyrebird.decision.verdict is Verdict.REVIEW
    assert "in any week" in lyrebird.decision.reason
    again = situate(
        msgspec.structs.replace(timeless, detections=(lyrebird,)), place=LEIDEN, prior=None, settings=SETTINGS
    )
    assert only(again).decision == heard(LYREBIRD).decision


def test_the_table_of_the_year_is_the_largest_of_its_weeks(tmp_path: Path) -> None:
    model = open_model(placeholder_bundle(tmp_path, kind=BundleKind.PRIOR), slots=1)
    weeks = np.array([[52.16, 4.49, week] for week in range(1, 49)], dtype=np.float32)
    likeliest = model.infer(weeks).scores.max(axis=0)
    table = Priors(model).table(LEIDEN, None)
    assert table.week is None
    for label in model.bundle.labels:
        if label.role is Role.TAXON:
            assert table.by_taxon[label.taxon_id] == pytest.approx(float(likeliest[label.index]))


def test_what_the_file_says_of_its_place_stays() -> None:
    recorded = Place(latitude=1.0, longitude=2.0, source="guano")
    assert place_of(outcome(place=recorded), LEIDEN) == recorded
    assert place_of(outcome(place=LEIDEN), SYDNEY) == SYDNEY
    assert place_of(outcome(place=LEIDEN), None) == LEIDEN
    assert place_of(outcome(), SYDNEY) == SYDNEY


@pytest.mark.parametrize(
    ("day", "week"), [((1, 1), 1), ((1, 7), 1), ((1, 8), 2), ((1, 22), 4), ((1, 31), 4), ((5, 20), 19), ((12, 31), 48)]
)
def test_a_year_has_48_weeks_four_a_month(day: tuple[int, int], week: int) -> None:
    assert week_of(round(dt.datetime(2024, *day, 12, tzinfo=dt.UTC).timestamp() * 1e9)) == week


def test_the_week_is_that_of_the_suns_date_there() -> None:
    evening = round(dt.datetime(2024, 1, 31, 20, tzinfo=dt.UTC).timestamp() * 1e9)
    assert week_of(evening) == 4
    assert week_of(evening, longitude=151.0) == 5, "in Sydney it is February already"


def test_a_table_is_what_the_geo_model_gives_for_place_and_week(tmp_path: Path) -> None:
    model = open_model(placeholder_bundle(tmp_path, kind=BundleKind.PRIOR), slots=1)
    scores = model.infer(np.array([[52.16, 4.49, 19]], dtype=np.float32)).scores[0]
    table = Priors(model).table(LEIDEN, MAY)
    assert (table.week, table.cut, table.bundle) == (19, 0.03, "placeholder-1")
    for label in model.bundle.labels:
        taxon = Taxon(taxon_id=label.taxon_id, name=label.name, rank=label.rank)
        wanted = pytest.approx(float(scores[label.index])) if label.role is Role.TAXON else None
        assert table.prior(taxon) == wanted


def test_what_the_geo_model_expects_nowhere_on_earth_is_unknown_to_it(tmp_path: Path) -> None:
    model = open_model(placeholder_bundle(tmp_path, kind=BundleKind.PRIOR), slots=1)
    known = np.array([label.name != "Apis mellifera" for label in model.bundle.labels])
    table = prior_table(model, LEIDEN, 19, known)
    bee = Taxon(taxon_id="name:Apis mellifera", name="Apis mellifera", rank="species")
    assert table.prior(bee) is None
    assert table.prior(BLACKBIRD) is not None


def test_known_is_what_is_likely_anywhere(tmp_path: Path) -> None:
    """The placeholder gives every class something somewhere; one without scores would be known nowhere."""
    everything = open_model(placeholder_bundle(tmp_path, kind=BundleKind.PRIOR), slots=1)
    assert known_taxa(lambda points: everything.infer(points).scores).all()

"""Schema versions."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from katydid.streams.errors import StoreReadOnly, StoreUnusable
from katydid.streams.store import By, OutcomeFilter, Window, open_store
from katydid.streams.store.migrations import MIGRATIONS, migrate, schema_version

GOLDEN_V1 = """
CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
INSERT INTO meta VALUES ('schema_version', '1'), ('sensor_id', 'SM4-1');
CREATE TABLE outcome (
    capture_id VARCHAR NOT NULL, sensor_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, file VARCHAR NOT NULL,
    captured_at TIMESTAMP_NS NOT NULL,
    clock_source VARCHAR NOT NULL, clock_recorded VARCHAR NOT NULL, clock_resolution_s DOUBLE NOT NULL,
    clock_uncertainty_s DOUBLE NOT NULL, clock_zone VARCHAR NOT NULL, clock_zone_source VARCHAR NOT NULL,
    clock_flags VARCHAR NOT NULL,
    media_type VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, length BIGINT NOT NULL, sequence BIGINT,
    latitude DOUBLE, longitude DOUBLE, place_uncertainty_m DOUBLE, elevation_m DOUBLE, place_source VARCHAR,
    status VARCHAR NOT NULL, reason VARCHAR NOT NULL, message VARCHAR NOT NULL,
    effort_s DOUBLE NOT NULL, effort_frames INTEGER NOT NULL, channels INTEGER NOT NULL,
    sample_rate INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    n_detections INTEGER NOT NULL, earlier_frames INTEGER NOT NULL,
    facts VARCHAR NOT NULL, quality VARCHAR NOT NULL, ran VARCHAR NOT NULL,
    settings_digest VARCHAR NOT NULL, katydid_version VARCHAR NOT NULL
);
CREATE TABLE detection (
    capture_id VARCHAR NOT NULL, detection_id VARCHAR NOT NULL, ordinal INTEGER NOT NULL,
    sensor_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, file VARCHAR NOT NULL, captured_at TIMESTAMP_NS NOT NULL,
    taxon_id VARCHAR, taxon VARCHAR, common_name VARCHAR, rank VARCHAR,
    start_s DOUBLE, end_s DOUBLE, low_hz DOUBLE, high_hz DOUBLE,
    box_x DOUBLE, box_y DOUBLE, box_w DOUBLE, box_h DOUBLE,
    score DOUBLE NOT NULL, probability DOUBLE, posterior DOUBLE,
    prior DOUBLE, expected BOOLEAN, local_solar_hour DOUBLE, sun_elevation_deg DOUBLE, prior_bundle VARCHAR,
    allowed BOOLEAN,
    decision VARCHAR NOT NULL, reason VARCHAR NOT NULL, certificate VARCHAR,
    model VARCHAR NOT NULL, model_digest VARCHAR NOT NULL, life_stage VARCHAR,
    lineage VARCHAR NOT NULL, alternatives VARCHAR NOT NULL, quality VARCHAR NOT NULL
);
CREATE SEQUENCE position_number;
CREATE TABLE position_log (
    number BIGINT NOT NULL DEFAULT nextval('position_number'),
    source VARCHAR NOT NULL, "partition" VARCHAR NOT NULL, "offset" BIGINT NOT NULL, mark VARCHAR NOT NULL,
    capture_id VARCHAR NOT NULL
);
CREATE VIEW position AS
    SELECT source, "partition", arg_max("offset", number) AS "offset", arg_max(mark, number) AS mark,
           arg_max(capture_id, number) AS capture_id
    FROM position_log GROUP BY source, "partition";
CREATE TABLE activity_1h (
    sensor_id VARCHAR NOT NULL, hour TIMESTAMP NOT NULL,
    taxon_id VARCHAR, taxon VARCHAR, common_name VARCHAR, rank VARCHAR, probability_bin INTEGER NOT NULL,
    detections BIGINT NOT NULL, accepted BIGINT NOT NULL, sum_confidence DOUBLE NOT NULL,
    max_confidence DOUBLE NOT NULL
);
CREATE TABLE effort_1h (
    sensor_id VARCHAR NOT NULL, hour TIMESTAMP NOT NULL,
    captures BIGINT NOT NULL, identified BIGINT NOT NULL, empty BIGINT NOT NULL, refused BIGINT NOT NULL,
    effort_s DOUBLE NOT NULL, effort_frames BIGINT NOT NULL, detections BIGINT NOT NULL,
    first_captured_at TIMESTAMP_NS NOT NULL, last_captured_at TIMESTAMP_NS NOT NULL
);
CREATE TABLE deployment (
    deployment_id VARCHAR NOT NULL, sensor_id VARCHAR NOT NULL,
    latitude DOUBLE, longitude DOUBLE, place_uncertainty_m DOUBLE, elevation_m DOUBLE, place_source VARCHAR,
    zone VARCHAR, start_at TIMESTAMP_NS, end_at TIMESTAMP_NS,
    location_name VARCHAR NOT NULL, comments VARCHAR NOT NULL
);
CREATE TABLE review (
    detection_id VARCHAR NOT NULL, reviewed_at TIMESTAMP_NS NOT NULL, reviewer VARCHAR NOT NULL,
    verdict VARCHAR NOT NULL, taxon_id VARCHAR, taxon VARCHAR, comment VARCHAR NOT NULL
);
INSERT INTO outcome VALUES (
    '019772b1d000aaaaaaaaaaaaaaaaaaaa', 'SM4-1', 'clip', 'a.wav', '2025-06-15 00:00:00.000000001', 'audiomoth',
    '00:00:00 15/06/2025 (UTC)', 1, 1, 'UTC', 'recorded', 'fold,gap', 'audio/wav', 'ab', 10, NULL, 52.5, 5.25, NULL,
    NULL, 'option', 'identified', '', '', 60, 0, 1, 48000, 0, 0, 1, 0,
    '[{"name":"gain","value":"medium","read_from":"audiomoth"}]', '[]', '[]', 's', '0.1.0'
);
INSERT INTO detection VALUES (
    '019772b1d000aaaaaaaaaaaaaaaaaaaa', '019772b1d000bbbbbbbbbbbbbbbbbbbb', 0, 'SM4-1', 'clip', 'a.wav',
    '2025-06-15 00:00:00.000000001', 'name:Parus major', 'Parus major', 'Great Tit', 'species', 0, 3, NULL, NULL,
    NULL, NULL, NULL, NULL, 0.75, 0.5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'accepted', 'why', NULL, 'birds-1',
    'd', NULL, '[]', '[]', '[]'
);
"""


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A store as version 1 wrote it."""
    path = tmp_path / "v1.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(GOLDEN_V1)
    return path


def test_a_store_of_version_1_opens_with_all_it_held(golden: Path) -> None:
    with open_store(golden) as store:
        outcome = store.detection("019772b1d000bbbbbbbbbbbbbbbbbbbb")
        assert outcome is not None
        assert outcome.captured_at == 1_749_945_600_000_000_001
        assert outcome.clock.flags == ("fold", "gap")
        assert outcome.facts[0].value == "medium"
        assert outcome.place is not None and outcome.place.latitude == 52.5
        taxon = outcome.detections[0].taxon
        assert taxon is not None and taxon.common_name == "Great Tit"
        assert store.meta("sensor_id") == "SM4-1"


def test_the_tables_of_version_1_are_the_ones_that_are_made_today(golden: Path, tmp_path: Path) -> None:
    """Of all versions together: a change of a table of version 1 without a migration fails here."""
    assert len(MIGRATIONS) == 3
    with open_store(golden):
        pass
    described = "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() ORDER BY ALL"
    with open_store(tmp_path / "new.duckdb"):
        pass
    answers = []
    for path in (golden, tmp_path / "new.duckdb"):
        with duckdb.connect(str(path)) as connection:
            answers.append(connection.execute(described).fetchall())
    assert answers[0] == answers[1]


def test_a_store_from_the_future_is_refused_and_left_alone(golden: Path) -> None:
    with duckdb.connect(str(golden)) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    with pytest.raises(StoreUnusable, match=r"version 99.*newer Katydid") as met:
        open_store(golden)
    assert met.value.exit_code == 5
    with duckdb.connect(str(golden)) as connection:
        assert schema_version(connection) == 99
        assert connection.execute("SELECT count(*) FROM outcome").fetchone() == (1,)


def test_a_migration_that_fails_leaves_the_older_version_whole(golden: Path) -> None:
    def broken(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("ALTER TABLE outcome ADD COLUMN colour VARCHAR")
        connection.execute("SELECT no_such_function()")

    with duckdb.connect(str(golden)) as connection:
        with pytest.raises(duckdb.Error):
            migrate(connection, migrations=(*MIGRATIONS, broken))
        assert schema_version(connection) == len(MIGRATIONS)
        columns = connection.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = 'outcome'").fetchall()
        assert ("colour",) not in columns


def test_each_step_runs_once_and_in_order(golden: Path) -> None:
    ran: list[int] = []
    steps = (MIGRATIONS[0], lambda _: ran.append(2), lambda _: ran.append(3))
    with duckdb.connect(str(golden)) as connection:
        assert migrate(connection, migrations=steps) == 2
        assert migrate(connection, migrations=steps) == 0
        assert schema_version(connection) == 3
    assert ran == [2, 3]


def test_what_a_store_of_version_1_holds_is_followed_once_it_is_opened(golden: Path) -> None:
    with open_store(golden) as store:
        assert store.unfollowed() == 1
        store.follow()
        (one,) = store.occurrences(OutcomeFilter()).to_pylist()
        assert (one["taxon"], one["session"], one["detections"]) == ("Parus major", "2025-06-14", 1)


def test_an_older_store_is_not_changed_by_one_who_only_reads(golden: Path) -> None:
    steps = (*MIGRATIONS, lambda _: None)
    with (
        duckdb.connect(str(golden), read_only=True) as connection,
        pytest.raises(StoreUnusable, match="open it once for writing"),
    ):
        migrate(connection, read_only=True, migrations=steps)


def test_a_store_of_version_1_answers_one_who_only_reads_and_says_that_nothing_was_followed(golden: Path) -> None:
    with duckdb.connect(str(golden)) as connection:
        connection.execute(
            "INSERT INTO effort_1h VALUES ('SM4-1', '2025-06-15 00:00:00', 1, 1, 0, 0, 60, 0, 1, "
            "'2025-06-15 00:00:00.000000001', '2025-06-15 00:00:00.000000001')"
        )
    before = golden.read_bytes()
    with open_store(golden, read_only=True) as store:
        assert store.detections(OutcomeFilter())["taxon"].to_pylist() == ["Parus major"]
        assert store.occurrences(OutcomeFilter()).num_rows == 0
        assert store.unfollowed() == 1
        (hour,) = store.activity(Window(), By.HOUR).to_pylist()
        assert hour["captures"] == 1 and hour["occurrences"] is None, "nothing was followed, which is not none"
        with pytest.raises(StoreReadOnly):
            store.follow()
    assert golden.read_bytes() == before


def test_a_database_of_something_else_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE birds (name VARCHAR)")
    with pytest.raises(StoreUnusable, match="no Katydid store"):
        open_store(path)


def test_a_reader_gets_what_is_there(golden: Path) -> None:
    with open_store(golden):
        pass
    with open_store(golden, read_only=True) as store:
        assert store.detections(OutcomeFilter())["taxon"].to_pylist() == ["Parus major"]

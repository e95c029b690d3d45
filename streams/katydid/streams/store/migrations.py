"""The tables, and how an older store becomes a newer one.

The schema version is the row `schema_version` of table `meta`. Each migration takes a store from one version to the
next inside one transaction: a kill in the middle leaves the older version whole. Migrations are never edited after
a release; a change is a new one at the end. A store with a higher version than this code knows is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import duckdb

from katydid.streams.errors import StoreUnusable

Migration = Callable[[duckdb.DuckDBPyConnection], None]


def _version_1(connection: duckdb.DuckDBPyConnection) -> None:
    """From nothing to the first schema."""
    connection.execute(_TABLES_1)


def _version_2(connection: duckdb.DuckDBPyConnection) -> None:
    """Occurrences. `following.Marks` sees that what an older store holds was never followed, and marks it."""
    connection.execute(_TABLES_2)


def _version_3(connection: duckdb.DuckDBPyConnection) -> None:
    """The newest reduced frames of each camera, with which later ones are compared."""
    connection.execute(_TABLES_3)


MIGRATIONS: tuple[Migration, ...] = (_version_1, _version_2, _version_3)


def schema_version(connection: duckdb.DuckDBPyConnection) -> int:
    """0 for an empty database."""
    tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not tables:
        return 0
    if "meta" not in tables:
        raise StoreUnusable("this DuckDB file holds other tables and is no Katydid store; choose another place")
    found = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchall()
    if not found:
        raise StoreUnusable("this store does not say its schema version: it is damaged or no Katydid store")
    return int(found[0][0])


def migrate(
    connection: duckdb.DuckDBPyConnection, *, read_only: bool = False, migrations: Sequence[Migration] = MIGRATIONS
) -> int:
    """Bring the store to the newest version; return how many steps that took. One that is opened for reading stays as
    it is, where `stand_ins` can make up for what it lacks. Raises StoreUnusable."""
    version, newest = schema_version(connection), len(migrations)
    if version > newest:
        raise StoreUnusable(
            f"the store has schema version {version}, written by a newer Katydid (this one knows {newest}): "
            "update Katydid to read it"
        )
    if version < newest and read_only:
        if (version, newest) in _STAND_INS:
            return 0
        raise StoreUnusable(
            f"the store has schema version {version} and must be brought to {newest}: open it once for writing"
        )
    for number, step in enumerate(migrations[version:], start=version + 1):
        connection.execute("BEGIN")
        try:
            step(connection)
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('schema_version', ?)", [str(number)])
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return newest - version


def stand_ins(connection: duckdb.DuckDBPyConnection) -> str:
    """What each connection of one who only reads has to run first, so that an older store answers all questions; ""
    for one of the newest version."""
    return _STAND_INS.get((schema_version(connection), len(MIGRATIONS)), "")


_TABLES_1 = """
CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);

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
"""

_OCCURRENCE_2 = """(
    occurrence_id VARCHAR NOT NULL, sensor_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, session VARCHAR NOT NULL,
    first_seen TIMESTAMP_NS NOT NULL, last_seen TIMESTAMP_NS NOT NULL, active_s DOUBLE NOT NULL,
    captures INTEGER NOT NULL, detections INTEGER NOT NULL, best_detection_id VARCHAR NOT NULL,
    taxon_id VARCHAR, taxon VARCHAR, common_name VARCHAR, rank VARCHAR,
    score DOUBLE NOT NULL, probability DOUBLE, decision VARCHAR NOT NULL, accepted INTEGER NOT NULL,
    individual_count INTEGER NOT NULL, length_px DOUBLE, body_length_mm DOUBLE, models VARCHAR NOT NULL,
    lineage VARCHAR NOT NULL, alternatives VARCHAR NOT NULL, settings_digest VARCHAR NOT NULL,
    detection_ids VARCHAR[] NOT NULL
);
"""

_TABLES_2 = f"""
CREATE TABLE occurrence {_OCCURRENCE_2}
CREATE TABLE unfollowed (sensor_id VARCHAR NOT NULL, session VARCHAR NOT NULL);
"""

_TABLES_3 = """
CREATE SEQUENCE kept_frame_number;
CREATE TABLE kept_frame (
    number BIGINT NOT NULL DEFAULT nextval('kept_frame_number'),
    sensor_id VARCHAR NOT NULL, capture_id VARCHAR NOT NULL, captured_at BIGINT NOT NULL, png BLOB NOT NULL
);
"""

_STAND_INS = {
    (2, 3): "SELECT 1",
    (1, 3): f"""
CREATE TEMP TABLE occurrence {_OCCURRENCE_2}
CREATE TEMP VIEW unfollowed AS SELECT DISTINCT sensor_id, '' AS session FROM effort_1h;
""",
}
"""(version of the store, newest version) → no occurrences, and every sensor still to be followed; nobody who only reads
asks for kept frames."""

"""The newest reduced frames of each camera, kept in the same transaction as their outcomes.

So a run that was killed compares the next frame with exactly those that it would have been compared with. They are PNG
(lossless), about 60 KB each; of every camera no more than `EARLIER` stay, and DuckDB uses their room again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import cv2
import duckdb
import numpy as np
import pyarrow as pa

from katydid.models.image.earlier import EARLIER, Earlier, Reduced

_SCHEMA = pa.schema(
    [("sensor_id", pa.string()), ("capture_id", pa.string()), ("captured_at", pa.int64()), ("png", pa.binary())]
)
_INSERT = "INSERT INTO kept_frame (sensor_id, capture_id, captured_at, png) SELECT * FROM new_frames"
_PRUNE = f"""
DELETE FROM kept_frame WHERE number IN (
    SELECT number FROM (
        SELECT number, row_number() OVER (PARTITION BY sensor_id ORDER BY number DESC) AS back FROM kept_frame
    ) WHERE back > {EARLIER}
)
"""
_READ = "SELECT capture_id, captured_at, png FROM kept_frame WHERE sensor_id = ? ORDER BY number"


def keep_frames(connection: duckdb.DuckDBPyConnection, frames: Sequence[Reduced]) -> int:
    """Keep the newest of each camera, in the caller's transaction; `frames` in the order of each camera. Returns the
    bytes written."""
    newest: dict[str, list[Reduced]] = defaultdict(list)
    for frame in frames:
        newest[frame.sensor_id].append(frame)
    rows = [
        {"sensor_id": one.sensor_id, "capture_id": one.capture_id, "captured_at": one.at, "png": _png(one)}
        for some in newest.values()
        for one in some[-EARLIER:]
    ]
    if not rows:
        return 0
    table = pa.Table.from_pylist(rows, schema=_SCHEMA)
    connection.register("new_frames", table)
    try:
        connection.execute(_INSERT)
        connection.execute(_PRUNE)
    finally:
        connection.unregister("new_frames")
    return int(table.nbytes)


def kept_frames(cursor: duckdb.DuckDBPyConnection, sensor_id: str) -> Earlier:
    """What is kept of a camera, oldest first."""
    return tuple(
        Reduced(capture_id, sensor_id, int(at), _pixels(png))
        for capture_id, at, png in cursor.execute(_READ, [sensor_id]).fetchall()
    )


def _png(frame: Reduced) -> bytes:
    _, encoded = cv2.imencode(".png", frame.pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return encoded.tobytes()


def _pixels(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)

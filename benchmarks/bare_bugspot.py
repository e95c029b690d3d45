"""bugspot over one folder of frames, in an interpreter that has it; `insectdct.py` runs this. Prints one JSON object:
boxes [x, y, w, h] in pixels and tracks per frame, confirmed tracks, CPU seconds a frame (decoding included).

Its own defaults, its own order of things: detect in full size, track, then confirm tracks by their paths.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
from bugspot import InsectTracker, ScaledDetector, analyze_path_topology, get_default_config, resolve_detection_params


def main(folder: Path) -> None:
    cv2.setNumThreads(0)
    files = sorted(folder.glob("*.jpg"))
    height, width = cv2.imread(str(files[0])).shape[:2]
    given: dict[str, Any] = get_default_config()
    detector = ScaledDetector(given, width, height)
    config = resolve_detection_params(given, width, height)
    tracker = InsectTracker(
        image_height=height,
        image_width=width,
        max_lost_frames=config.get("max_lost_frames", 45),
        max_frame_jump=config.get("max_frame_jump"),
        w_dist=config.get("tracker_w_dist", 0.6),
        w_area=config.get("tracker_w_area", 0.4),
        cost_threshold=config.get("tracker_cost_threshold", 0.3),
    )
    boxes: list[list[tuple[list[float], str]]] = []
    paths: dict[str, list[tuple[float, float]]] = defaultdict(list)
    spent = 0.0
    for number, file in enumerate(files):
        began = time.process_time()
        corners, _ = detector.detect(cv2.imread(str(file)), number)
        spent += time.process_time() - began
        tracks = tracker.update(corners, number)
        here = []
        for (left, top, right, bottom), track in zip(corners, tracks, strict=True):
            here.append(([float(left), float(top), float(right - left), float(bottom - top)], str(track)))
            paths[str(track)].append(((left + right) / 2, (top + bottom) / 2))
        boxes.append(here)
    confirmed = [track for track, path in paths.items() if analyze_path_topology(path, config)[0]]
    print(json.dumps({"boxes": boxes, "confirmed": confirmed, "cpu_s": spent / len(files)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

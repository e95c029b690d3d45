"""The limit for a detector: the same decoder, tiles, graph and peaks over the same photos, all cores busy."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

cv2.setNumThreads(0)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
files = sorted(Path(sys.argv[2]).iterdir())


def one(path: Path) -> int:
    photo, boxes, scores = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB), [], []
    tops, lefts = (np.linspace(0, n - 800, -(-(n - 64) // 736)).round().astype(int) for n in photo.shape[:2])
    for top, left in ((top, left) for top in tops for left in lefts):
        tile = np.ascontiguousarray(photo[top : top + 800, left : left + 800])[None]
        heat, size, offset = (each[0] for each in session.run(["heat", "size", "offset"], {"pixels": tile}))
        y, x = np.nonzero((heat[0] > -2) & (heat[0] == cv2.dilate(heat[0], np.ones((3, 3)))))
        corner = np.stack((x * 4 + left, y * 4 + top)) + offset[:, y, x] * 4 - size[:, y, x] / 2
        boxes += [*np.concatenate((corner, size[:, y, x])).T]
        scores += [*(1 / (1 + np.exp(-heat[0, y, x])))]
    return len(cv2.dnn.NMSBoxes(boxes, scores, 0.1, 0.5)) if boxes else 0


with ThreadPoolExecutor(int(sys.argv[3])) as pool:
    wall, cpu = time.perf_counter(), time.process_time()
    list(pool.map(one, files))
    print(len(files), time.perf_counter() - wall, time.process_time() - cpu)

"""The limit for frames: the same decoder, resize and model over the same files, all cores busy, nothing else."""

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


def one(path: Path) -> float:
    pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_REDUCED_COLOR_2)
    small = cv2.resize(pixels, (224, 224), interpolation=cv2.INTER_AREA)[None, :, :, ::-1]
    return float(session.run(None, {"pixels": np.ascontiguousarray(small)})[0].max())


with ThreadPoolExecutor(int(sys.argv[3])) as pool:
    list(pool.map(one, files[:8]))
    wall, cpu = time.perf_counter(), time.process_time()
    list(pool.map(one, files))
    print(len(files), time.perf_counter() - wall, time.process_time() - cpu)

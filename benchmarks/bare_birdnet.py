"""The limit for BirdNET: its front end and its session in a bare loop, all cores busy, over the same recordings.

The front end is ours (there is no other for the converted graph); nothing else is."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile

from katydid.models.sound.birdnet import BirdNetSpectrogram

bundle, files = Path(sys.argv[1]), sorted(Path(sys.argv[2]).iterdir())
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(str(next(bundle.glob("*.onnx"))), options, providers=["CPUExecutionProvider"])
front_end, name = BirdNetSpectrogram(dict(np.load(bundle / "arrays.npz")), "exact"), session.get_inputs()[0].name


def one(windows: np.ndarray) -> int:
    session.run(None, {name: front_end(windows)})
    return len(windows)


def blocks(path: Path):  # type: ignore[no-untyped-def]
    for block in soundfile.blocks(path, 8 * 144_000, dtype="float32", fill_value=0.0):
        yield block.reshape(8, 144_000)


with ThreadPoolExecutor(int(sys.argv[3])) as pool:
    wall, cpu = time.perf_counter(), time.process_time()
    done = sum(pool.map(one, (block for path in files for block in blocks(path))))
    print(done, time.perf_counter() - wall, time.process_time() - cpu)

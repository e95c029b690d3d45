"""The limit for clips: the same decoder, spectrogram and model over the same files, all cores busy, nothing else."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import scipy.fft
import soundfile

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
files, arrays = sorted(Path(sys.argv[2]).iterdir()), np.load(sys.argv[4])
window, filters = arrays["window"].astype(np.float32), arrays["filters"].astype(np.float32).T.copy()


def one(path: Path) -> float:
    padded = np.pad(soundfile.read(path, dtype="float32")[0], len(window) // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::512]
    spectrum = scipy.fft.rfft(frames * window)
    bands = np.log((spectrum.real**2 + spectrum.imag**2) @ filters + np.float32(1e-10)).T
    return float(session.run(None, {"spectrogram": np.ascontiguousarray(bands[None])})[0].max())


with ThreadPoolExecutor(int(sys.argv[3])) as pool:
    list(pool.map(one, files[:8]))
    wall, cpu = time.perf_counter(), time.process_time()
    list(pool.map(one, files))
    print(len(files), time.perf_counter() - wall, time.process_time() - cpu)

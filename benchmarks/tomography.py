"""Times parallel-beam projection, its adjoint and filtered back-projection on one thread, beside scikit-image's.

Run: ``python benchmarks/tomography.py [size ...]`` (default 128 256 512). Times are the medians of repeated calls, in
milliseconds an image; the ratio is scikit-image's time over ours, measured in the same run (its ``iradon`` for filtered
back-projection; it has no adjoint).
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from skimage.transform import iradon, radon

from nullsight.physics import ParallelBeamCT

VIEWS = 50
BATCHES = (1, 2, 8)
SECONDS = 1.0


def milliseconds(work: Callable[[], object]) -> float:
    work()
    times, end = [], time.perf_counter() + SECONDS
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def row(size: int) -> None:
    start = time.perf_counter()
    physics = ParallelBeamCT((1, size, size), VIEWS)
    print(f"{size} x {size}, {VIEWS} views, {physics.detectors} bins: built in {time.perf_counter() - start:.2f} s")
    print(f"  {physics.storage}")
    axis = np.arange(size) - size // 2
    disk = (axis**2 + axis[:, None] ** 2 < (size // 2 - 1) ** 2).astype(np.float32)
    theta = np.asarray(physics.angles)
    sinogram = radon(disk, theta)
    theirs = {
        "A": milliseconds(lambda: radon(disk, theta)),
        "FBP": milliseconds(lambda: iradon(sinogram, theta)),
    }
    for batch in BATCHES:
        x = torch.from_numpy(disk).expand(batch, 1, size, size).contiguous()
        y = physics.A(x)
        ours = {
            "A": milliseconds(lambda x=x: physics.A(x)) / batch,
            "A^T": milliseconds(lambda y=y: physics.A_adjoint(y)) / batch,
            "FBP": milliseconds(lambda y=y: physics.A_dagger(y)) / batch,
        }
        cells = [
            f"{name} {value:8.3f}" + (f" ({theirs[name] / value:6.0f}x)" if name in theirs else "")
            for name, value in ours.items()
        ]
        print(f"  batch {batch}: " + "   ".join(cells))


def main() -> None:
    torch.set_num_threads(1)
    print("ms an image (ratio to scikit-image)")
    with torch.no_grad():
        for size in [int(word) for word in sys.argv[1:]] or [128, 256, 512]:
            row(size)


if __name__ == "__main__":
    main()

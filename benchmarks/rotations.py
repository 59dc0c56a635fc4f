"""Milliseconds and round trip of every interpolation of rotations: ``python benchmarks/rotations.py``.

The images have the spectrum of photographs; with NULLSIGHT_DATA set, real photographs and CT slices are turned, too.
"""

import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nullsight.contracts.groups import inscribed_disk, natural_images
from nullsight.draws import Draws
from nullsight.groups import Rotations
from nullsight.groups.interpolation import TABLE


def round_trip(group: Rotations, x: Tensor) -> tuple[float, float, float]:
    """Return the mean and largest relative error on the inscribed disk, and the mean PSNR in dB (peak 1)."""
    g = group.sample(Draws(0, 0, tuple(range(len(x)))).of("angle"))
    disk = inscribed_disk(x.shape[2:])
    gap = (group.act(group.inverse(g), group.act(g, x)) - x) * disk
    size = torch.linalg.vector_norm((x * disk).flatten(1), dim=1)
    error = torch.linalg.vector_norm(gap.flatten(1), dim=1)
    decibels = -20 * torch.log10((error / disk.sum().sqrt()).clamp_min(1e-12))
    return float((error / size).mean()), float((error / size).max()), float(decibels.mean())


def milliseconds(group: Rotations, x: Tensor, *, backwards: bool = False) -> float:
    """Return the median time of one call, per image."""
    g = torch.full((len(x),), 30)
    act = group.act_adjoint if backwards else group.act
    times = []
    for _ in range(30):
        start = time.perf_counter()
        act(g, x)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times)) / len(x)


def images() -> dict[str, Tensor]:
    found = {"1/f, 128": natural_images(32, (1, 128, 128))}
    folder = os.environ.get("NULLSIGHT_DATA")
    if folder:
        photographs = np.load(Path(folder) / "urban100_256.npz")["images"].mean(-1, dtype=np.float64) / 255
        found["photographs, 256"] = torch.from_numpy(photographs)[:, None]
        found["CT slices, 128"] = torch.from_numpy(np.load(Path(folder) / "ct100_128.npy")).double()[:, None]
    return found


def main() -> None:
    torch.set_num_threads(1)
    print("milliseconds per 128x128 image, float32, one thread")
    for name, kind in TABLE.items():
        group = Rotations(360, kind())
        row = [milliseconds(group, torch.rand(batch, 1, 128, 128)) for batch in (1, 8)]
        back = milliseconds(group, torch.rand(8, 1, 128, 128), backwards=True)
        print(f"  {name:15s} batch 1 {row[0]:5.2f}   batch 8 {row[1]:5.2f}   transpose, batch 8 {back:5.2f}")
    for what, x in images().items():
        print(f"round trip of {what} (angles from 0 to 359 degrees): mean and largest error on the disk, PSNR")
        for name, kind in TABLE.items():
            mean, largest, decibels = round_trip(Rotations(360, kind()), x)
            print(f"  {name:15s} {100 * mean:5.2f} %  {100 * largest:5.2f} %  {decibels:5.1f} dB")


if __name__ == "__main__":
    main()

"""DeepInverse's side of the race: its equivariant imaging with its own U-Net on its own measurements of CT images.

``python benchmarks/peers/race.py IMAGES.npy --minutes 20`` in the environment of the peers: trains on all images but
the last ten, looks at those now and then, and prints one JSON line a look. The clock starts after the imports and with
the measurements given; preparation, looking and everything else counts.
"""

import argparse
import json
import math
import time

import numpy as np
import torch
from deepinverse import Step, dinv, tomography
from torch import Tensor

TEST = 10


@torch.no_grad()
def score(step: Step, y: Tensor, x: Tensor) -> float:
    """Return the mean PSNR, dB, with each image's maximum as peak."""
    step.model.eval()
    found = torch.cat([step.model(one[None], step.physics) for one in y])
    step.model.train()
    error = (found - x).square().flatten(1).mean(1)
    return float((20 * torch.log10(x.flatten(1).amax(1)) - 10 * torch.log10(error)).mean())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("images")
    options.add_argument("--minutes", type=float, default=20)
    options.add_argument("--every", type=float, default=20, help="seconds between looks")
    options.add_argument("--views", type=int, default=50)
    options.add_argument("--batch", type=int, default=2)
    options.add_argument("--rate", type=float, default=5e-4)
    options.add_argument("--width", type=int, default=64)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    x = torch.from_numpy(np.load(chosen.images)).float()[:, None]
    physics = tomography(x.shape[-1], chosen.views, normalize=True)
    with torch.no_grad():
        y = physics.A(x)
    begun = time.monotonic()
    step = Step(physics, chosen.rate, seed=0, width=chosen.width)
    order = torch.Generator().manual_seed(0)
    count, due, rows = 0, 0.0, []

    scales = "-".join(str(chosen.width * 2**k) for k in range(4))
    about = (
        f"DeepInverse {dinv.__version__}: Tomography, U-Net {scales} with batch norm on filtered back-projection, "
        f"MCLoss and EILoss (one bilinear rotation a step) of weight 1, Adam {chosen.rate:g}, batch {chosen.batch}, "
        f"float32, torch {torch.__version__}"
    )
    print(json.dumps({"about": about}), flush=True)

    def look() -> None:
        psnr = score(step, y[-TEST:], x[-TEST:])
        print(json.dumps({"minutes": (time.monotonic() - begun) / 60, "steps": count, "psnr": psnr}), flush=True)

    while (passed := time.monotonic() - begun) < 60 * chosen.minutes:
        if passed >= due:
            look()
            due = (math.floor(passed / chosen.every) + 1) * chosen.every
        if len(rows) < chosen.batch:
            rows = torch.randperm(len(x) - TEST, generator=order).tolist()
        batch, rows = rows[: chosen.batch], rows[chosen.batch :]
        step(y[batch])
        count += 1
    look()


if __name__ == "__main__":
    main()

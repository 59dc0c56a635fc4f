"""How long a diagnosis takes: closed forms at 512 x 512, without a matrix at 128 x 128.

Run: ``python benchmarks/slow/diagnosis.py [--closed 512] [--free 128]``. The aims are 10 and 30 seconds on two cores.
"""

import argparse
import time
from collections.abc import Callable

import nullsight as ns
from nullsight.groups.base import Family
from nullsight.physics.base import Physics

Pair = Callable[[int], tuple[Physics, Family]]
P, G = ns.physics, ns.groups


def mask(n: int) -> Physics:
    return P.Inpainting((1, n, n), P.bernoulli_mask((n, n), 0.3, seed=0))


def lines(n: int, acceleration: float) -> Physics:
    return P.CartesianMRI((2, n, n), P.cartesian_mask((n, n), acceleration, 0.08 * 4 / acceleration, seed=0))


CLOSED: dict[str, Pair] = {
    "mask, shifts": lambda n: (mask(n), G.Shifts((n, n))),
    "mask, dihedral": lambda n: (mask(n), G.Dihedral(4)),
    "k-space mask, shifts": lambda n: (lines(n, 4), G.Shifts((n, n))),
    "k-space mask x4, dihedral": lambda n: (lines(n, 4), G.Dihedral(4)),
    "k-space mask x6, dihedral": lambda n: (lines(n, 6), G.Dihedral(4)),
    "k-space mask x8, dihedral": lambda n: (lines(n, 8), G.Dihedral(4)),
    "blur, shifts": lambda n: (P.Blur((1, n, n), P.gaussian_kernel(2.0)), G.Shifts((n, n))),
    "downsampling, shifts": lambda n: (P.Downsampling((1, n, n), 2, P.gaussian_kernel(0.8)), G.Shifts((n, n))),
    "CT 50 views, dihedral": lambda n: (P.ParallelBeamCT((1, n, n), 50), G.Dihedral(4)),
    "CT 50 views, 1-degree turns": lambda n: (P.ParallelBeamCT((1, n, n), 50), G.Rotations(360)),
}
FREE: dict[str, Pair] = {
    "mask, 1-degree turns": lambda n: (mask(n), G.Rotations(360)),
    "k-space mask x4, 1-degree turns": lambda n: (lines(n, 4), G.Rotations(360)),
    "patterns, shifts": lambda n: (P.Hadamard((1, n, n), n * n // 8), G.Shifts((n, n))),
    "patterns, dihedral": lambda n: (P.Hadamard((1, n, n), n * n // 8), G.Dihedral(4)),
}


def timed(name: str, pair: Pair, size: int) -> None:
    physics, group = pair(size)
    begun = time.monotonic()
    found = ns.diagnose(physics, group)
    seconds = time.monotonic() - begun
    curve = ", ".join(f"{one.threshold:.0e}: {one.alone:.3f} {one.visible:.3f}" for one in found.curve)
    print(f"{name}, {size}x{size}: {seconds:.1f} s, {found.verdict.words}; alone and visible above {curve}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--closed", type=int, default=512)
    options.add_argument("--free", type=int, default=128)
    chosen = options.parse_args()
    for name, pair in CLOSED.items():
        timed(name, pair, chosen.closed)
    for name, pair in FREE.items():
        timed(name, pair, chosen.free)


if __name__ == "__main__":
    main()

"""Missing samples of triangles, learned from what is measured: with and without invariance to shifts.

After the one-dimensional example of "Equivariant Imaging" (Chen, Tachella, Davies, ICCV 2021): seven neighbouring
samples of a ring of 32 are never measured. The signals are triangles of one width and many heights, either anywhere on
the ring (a set that is invariant to shifts) or all in the middle of the gap (a set that is not). The network is fully
connected, so that nothing but the loss knows of shifts. Run it with ``python experiments/papers/triangles.py``; it
takes about a minute on one core and prints a table.
"""

import sys
from dataclasses import dataclass
from statistics import mean

import torch
from torch import Tensor

import nullsight as ns

LENGTH, GAP, HALF_WIDTH = 32, 7, 6.0  # samples; a triangle is wider than the gap, so a part of it is always seen
TRAIN, TEST = 200, 100  # signals

GROUP = ns.groups.Shifts((LENGTH,))
LOSSES = {
    "measurement consistency": ns.losses.MeasurementConsistency(),
    "identity alone as group": ns.losses.MeasurementConsistency() + ns.losses.Equivariance(ns.groups.Trivial()),
    "equivariant imaging": ns.losses.MeasurementConsistency() + ns.losses.Equivariance(GROUP),
    "supervised": ns.losses.Supervised(),
}


@dataclass(frozen=True)
class Scores:
    """What a reconstructor reached on test signals.

    Attributes:
        missing: PSNR on the samples that are never measured, dB, peak 1.
        measured: PSNR on the others, dB.
        equivariance_error: ``|f(A T_g x) - T_g f(A x)| / |x|`` over random shifts.
    """

    missing: float
    measured: float
    equivariance_error: float


def operator() -> ns.physics.Inpainting:
    """Return the operator: all samples but a gap in the middle."""
    first = (LENGTH - GAP) // 2
    mask = torch.ones(LENGTH, dtype=torch.bool)
    mask[first : first + GAP] = False
    return ns.physics.Inpainting((1, LENGTH), mask)


def anywhere(count: int, seed: int) -> Tensor:
    """Return triangles of random height (0.4 to 1) at random places, ``(count, 1, length)``."""
    return _heights(count, seed) * ns.data.triangles(count, LENGTH, seed, half_width=HALF_WIDTH)


def in_the_gap(count: int, seed: int) -> Tensor:
    """Return triangles of random height, all with their top in the middle of the gap, ``(count, 1, length)``."""
    one = ns.data.triangles(1, LENGTH, half_width=HALF_WIDTH)
    return _heights(count, seed) * one.roll(LENGTH // 2 - int(one.argmax()), -1)


SETS = {"anywhere on the ring": anywhere, "all in the gap": in_the_gap}


def train(loss: ns.losses.Loss, x: Tensor, *, steps: int, seed: int) -> ns.training.Run:
    """Train a fully connected network on the measurements of ``x``; only a supervised loss gets to see ``x``."""
    physics = operator()
    f = ns.reconstructors.ArtifactRemoval(ns.networks.FullyConnected((1, LENGTH), (256, 256), seed=seed))
    settings = ns.training.Settings(seed=seed, steps=steps, batch_size=32, optimiser=ns.training.Adam(2e-3))
    truth = x if loss.needs_truth else None
    silent = ns.training.Silent()
    return ns.fit(f, physics.A(x), physics, loss, settings=settings, truth=truth, display=silent)


def score(run: ns.training.Run, x: Tensor) -> Scores:
    """Return the errors on test signals ``x``."""
    physics = operator()
    measured = physics.measured.expand_as(x)
    found = run.reconstruct(physics.A(x), batch_size=len(x))
    g = GROUP.sample(ns.Draws(0, 0, tuple(range(len(x)))).of("shifts to score"))
    moved = run.reconstruct(physics.A(GROUP.act(g, x)), batch_size=len(x))
    apart = moved - GROUP.act(g, found)
    return Scores(_psnr((found - x)[~measured]), _psnr((found - x)[measured]), float(apart.norm() / x.norm()))


def untrained_psnr(x: Tensor) -> float:
    """Return the PSNR of ``A_dagger y`` (zeros) on the missing samples, dB."""
    physics = operator()
    return _psnr((physics.A_dagger(physics.A(x)) - x)[~physics.measured.expand_as(x)])


def main(steps: int = 600, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    print(f"missing samples, mean PSNR in dB over seeds {seeds} [least, most]; |f(A T_g x) - T_g f(A x)| / |x|")
    for place, signals in SETS.items():
        sets = {seed: signals(TRAIN + TEST, seed) for seed in seeds}
        print(f"\ntriangles {place}")
        print(f"{'A_dagger y':26}{mean(untrained_psnr(x[TRAIN:]) for x in sets.values()):6.1f}")
        for name, loss in LOSSES.items():
            found = [score(train(loss, x[:TRAIN], steps=steps, seed=seed), x[TRAIN:]) for seed, x in sets.items()]
            values = [one.missing for one in found]
            away = mean(one.equivariance_error for one in found)
            print(f"{name:26}{mean(values):6.1f}  [{min(values):.1f}, {max(values):.1f}]  {away:8.3f}", flush=True)


def _heights(count: int, seed: int) -> Tensor:
    drawn = ns.Draws(seed, 0, tuple(range(count))).of("heights").uniform((1, 1))
    return (0.4 + 0.6 * drawn).float()


def _psnr(error: Tensor) -> float:
    return float(-10 * torch.log10(error.square().mean()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())

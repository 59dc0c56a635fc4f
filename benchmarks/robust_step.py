"""A step of robust equivariant imaging beside one of equivariant imaging: ``python benchmarks/robust_step.py``.

Both are ours, with the same network, operator, batch and rotations. Robust EI has Stein's risk estimate with one probe
in the place of measurement consistency: one more pass of the network for Gaussian or Poisson noise, three more for both
together.
"""

from functools import partial

from common.record import Row, Section, arguments, record
from common.timing import alternate, one_core, repeated
from common.training import loop_of

from nullsight.groups import Rotations
from nullsight.losses import SURE, Equivariance, Loss, MeasurementConsistency, WeightedSURE
from nullsight.networks import UNet
from nullsight.noise import Gaussian, Noise, Poisson, PoissonGaussian
from nullsight.reconstructors import ArtifactRemoval
from nullsight.training.loop import Loop
from nullsight.training.settings import Settings

VIEWS, BATCH = 50, 2
EI = "an EI step"
GROUP = Rotations(360)
MIXED = PoissonGaussian(0.1, 0.5)
# what robust EI may cost: 1 / 1.6 of the steps with one kind of noise, 1 / 2.6 with both
CASES: dict[str, tuple[Loss, Noise, float]] = {
    "Gaussian": (SURE(Gaussian(0.5)), Gaussian(0.5), 1 / 1.6),
    "Poisson": (SURE(Poisson(0.1)), Poisson(0.1), 1 / 1.6),
    "Poisson and Gaussian": (SURE(MIXED), MIXED, 1 / 2.6),
    "Poisson and Gaussian, weighed, no second derivatives": (WeightedSURE(MIXED), MIXED, 1 / 1.6),
}
COMPARED = f"""Steps on batches of {BATCH}, {VIEWS} views, float32: reconstruct, turn, measure, reconstruct again,
gradients, Adam, as the training loop takes them. Both sides are ours: measurement consistency and equivariance on one,
Stein's risk estimate with one probe and equivariance with noise on the other."""


def loop(loss: Loss, size: int, width: int, depth: int) -> Loop:
    """Return a training of the papers' U-Net."""
    settings = Settings(steps=10**6, batch_size=BATCH, channels_last=True)
    return loop_of(ArtifactRemoval(UNet(1, width=width, depth=depth)), loss, settings, size, VIEWS)


def take(one: Loop) -> float:
    """Take one step."""
    return one.step(0.5, 1.0)


def main(words: list[str] | None = None) -> None:
    options = arguments(__doc__)
    options.add_argument("--size", type=int, default=128)
    options.add_argument("--width", type=int, default=64)
    options.add_argument("--depth", type=int, default=4)
    options.set_defaults(seconds=4.0)
    chosen = options.parse_args(words)
    one_core()
    make = partial(loop, size=chosen.size, width=chosen.width, depth=chosen.depth)
    losses = [MeasurementConsistency() + 10 * Equivariance(GROUP)]
    losses += [estimate + 10 * Equivariance(GROUP, noise) for estimate, noise, _ in CASES.values()]
    works = [partial(repeated, partial(take, make(loss)), chosen.seconds) for loss in losses]
    plain, *robust = alternate(works, chosen.rounds)
    rows = [
        Row(f"robust EI, {name}", time, plain, EI, aim)
        for (name, (_, _, aim)), time in zip(CASES.items(), robust, strict=True)
    ]
    notes = [f"{name} noise: {time / plain:.2f} times the EI step" for name, time in zip(CASES, robust, strict=True)]
    record(chosen.results, "robust_step", Section(f"Robust EI, {chosen.size}x{chosen.size}", COMPARED, rows, notes), {})


if __name__ == "__main__":
    main()

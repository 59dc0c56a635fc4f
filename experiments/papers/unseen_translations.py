"""Deconvolution and inpainting of images that are shifted as no training image was: convolutions and dense layers.

After figure 1 of "Imaging with equivariant deep learning" (Chen, Davies, Ehrhardt, Schönlieb, Sherry, Tachella, IEEE
Signal Processing Magazine 2023). Blur commutes with shifts, so a network of convolutions that learned to undo it in one
place has learned it for all; a hole in the detector does not, so what was learned of the parts that it hid says nothing
of others. The training images are faces of ellipses, all in one place, so that the hole hides the eyes; the eyes are as
bright as the mouth, which is seen. Both networks learn from the same pairs with ground truth; the test faces are new
and shifted down, cyclically. The convolutional network is exactly equivariant to shifts (circular border); the dense
one knows nothing of them.

Run it with ``python experiments/papers/unseen_translations.py`` (about four minutes on two cores; rows that are there
stay). Curves go to ``results/curves/unseen_translations.json``.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import nullsight as ns
from nullsight.app.results_file import circumstances, minutes_of
from nullsight.data.canvas import Canvas
from nullsight.data.phantoms import dice, stack
from nullsight.evaluation import Axes, CurveRow, curve_names, write_curve
from nullsight.groups import Trivial
from nullsight.networks import CircularBorder, FullyConnected, GroupResidual
from nullsight.noise import Gaussian
from nullsight.physics import Blur, Inpainting, LinearPhysics, gaussian_kernel
from nullsight.training import Adam, Cosine, Run, Settings, Silent

ROOT = Path(__file__).parents[2]
COMMAND = "python experiments/papers/unseen_translations.py"
SIZE, TRAIN, TEST = 32, 800, 50  # pixels a side; images
SIGMA = 0.01  # of the noise; faces are up to 1
SHIFTS = (0, 1, 2, 4, 8, 12, 16)
AXES = Axes("shift against the training images, pixels", SHIFTS, "PSNR, dB, of a peak of 1")
SETTINGS = Settings(
    steps=1000, batch_size=16, optimiser=Adam(1e-3), schedule=Cosine(warmup=0.02), averaging=0.99, threads=2
)


def faces(count: int, size: int, seed: int) -> Tensor:
    """Return faces, all in the middle, ``(count, 1, size, size)``: a head, a nose, a mouth and eyes as bright as it."""
    images = []
    for number in range(count):
        one, canvas = dice(seed, number, "faces", 16), Canvas(size)
        canvas.ellipse((0, 0), (one.between(0.5, 0.65), one.between(0.65, 0.8)), one.between(0.3, 0.5))
        feature = one.between(0.6, 1.0)
        for side in (-1, 1):
            canvas.ellipse((0.24 * side, 0.25), (one.between(0.1, 0.14), one.between(0.09, 0.12)), feature)
        canvas.ellipse((0, -0.05), (0.06, one.between(0.1, 0.16)), one.between(0.1, 0.25))
        canvas.ellipse((0, -0.4), (one.between(0.18, 0.3), one.between(0.08, 0.11)), feature)
        images.append(canvas.values)
    return stack(images)


def hole(size: int) -> LinearPhysics:
    """Return inpainting of a band that hides the eyes of a face in the middle."""
    mask = torch.ones(size, size)
    mask[round(0.29 * size) : round(0.46 * size), round(0.2 * size) : round(0.8 * size)] = 0
    return Inpainting((1, size, size), mask)


PROBLEMS: dict[str, Callable[[int], LinearPhysics]] = {
    "deconvolution": lambda size: Blur((1, size, size), gaussian_kernel(1.2)),
    "inpainting": hole,
}
NETWORKS: dict[str, Callable[[int], ns.networks.Network]] = {
    "convolutional": lambda size: GroupResidual(
        1, width=16, blocks=3, group=Trivial(), kernel=5, border=CircularBorder(), seed=0
    ),
    "dense": lambda size: FullyConnected((1, size, size), hidden=(512, 512), seed=0),
}


def measured(x: Tensor, physics: LinearPhysics, seed: int) -> Tensor:
    """Return noisy measurements of images."""
    return ns.data.simulate(x, physics, Gaussian(SIGMA), seed=seed)


def train(network: ns.networks.Network, physics: LinearPhysics, x: Tensor, settings: Settings) -> Run:
    """Train a network that sees the measurements as they are, with ground truth."""
    f, y = ns.reconstructors.Direct(network), measured(x, physics, seed=0)
    return ns.fit(f, y, physics, ns.losses.Supervised(), truth=x, settings=settings, display=Silent())


def curve(run: Run, physics: LinearPhysics, x: Tensor) -> tuple[tuple[float, ...], ...]:
    """Return the PSNR of every image at every shift, dB."""
    values = []
    for shift in SHIFTS:
        moved = x.roll(shift, 2)
        found = run.reconstruct(measured(moved, physics, seed=1 + shift), physics)
        values.append(tuple(ns.metrics.psnr(found, moved, data_range=1.0).tolist()))
    return tuple(values)


def compare(results: Path, settings: Settings = SETTINGS, *, size: int = SIZE, train_on: int = TRAIN) -> None:
    """Train and score every pair of problem and network that is not in the results yet.

    Args:
        results: the file of curves.
        settings: of the trainings.
        size: of the images, pixels a side.
        train_on: images to train on.
    """
    x = faces(train_on + TEST, size, settings.seed)
    for problem, operator in PROBLEMS.items():
        for kind, make in NETWORKS.items():
            name = f"{problem}, {kind}"
            if name in curve_names(results):
                print(f"{name}: is there")
                continue
            physics = operator(size)
            run = train(make(size), physics, x[:train_on], settings)
            values = curve(run, physics, x[train_on:])
            task = "Images at unseen translations, with ground truth"
            setting = circumstances(task, f"faces of ellipses, {size}x{size}", settings.threads or 1, COMMAND)
            row = CurveRow(name, values, True, round(minutes_of(run), 2), (settings.seed,))
            write_curve(results, setting, AXES, row)
            means = ", ".join(f"{s}: {sum(few) / len(few):.2f}" for s, few in zip(SHIFTS, values, strict=True))
            print(f"{name}, PSNR in dB by shift: {means}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(SETTINGS.threads or 1)
    compare(ROOT / "results" / "curves" / "unseen_translations.json")

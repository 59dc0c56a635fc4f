"""Additive terms in a denoiser, within and far outside the noise that it was trained with.

After Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda, "Robust and interpretable blind image denoising via bias-free
convolutional neural networks", ICLR 2020, and the review "Imaging with equivariant deep learning" (Chen, Davies,
Ehrhardt, Schönlieb, Sherry, Tachella, 2023): a denoiser without biases is equivariant to gain, so what it learned of
little noise on bright images holds for much noise too. Two DnCNNs with leaky ReLUs, one with and one without biases,
learn from grey patches of Urban100's training images with noise of an input PSNR from 26 to 34 dB; both are scored on
the ten test images down to 9.9 dB. Run it with ``python experiments/bias/denoising.py`` (5 planned minutes a row on two
cores, about 3000 steps; it goes on where it was interrupted, and rows that are there stay). NULLSIGHT_DATA is the
folder of the images; runs go to ``runs/bias``, curves to ``results/curves/bias.json``.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import nullsight as ns
from nullsight.app.fitting import fitted
from nullsight.app.results_file import circumstances, minutes_of
from nullsight.assemble import place
from nullsight.evaluation import Axes, CurveRow, curve_names, write_curve
from nullsight.networks import BiasFreeDnCNN, DnCNN, Network
from nullsight.physics import Inpainting
from nullsight.training import Adam, Cosine, Run, Settings

ROOT = Path(__file__).parents[2]
COMMAND = "python experiments/bias/denoising.py"
PATCH = 40  # pixels a side, as the DnCNN of Zhang et al. (IEEE TIP 2017) was trained
LUMA = (0.299, 0.587, 0.114)  # red, green and blue in the grey of ITU-R BT.601
LOW, HIGH = 26.0, 34.0  # dB, input PSNR of the training
AXES = Axes("input PSNR, dB", (34.0, 30.0, 26.0, 22.0, 18.0, 14.0, 9.9), "PSNR, dB, of a peak of 1")
SETTINGS = Settings(
    minutes=5, batch_size=16, optimiser=Adam(1e-3), schedule=Cosine(warmup=0.02), averaging=0.99, channels_last=True,
    threads=2,
)  # fmt: skip
NETWORKS: dict[str, Callable[[], Network]] = {
    "with biases": lambda: DnCNN(1, width=32, depth=10, slope=0.01, seed=0),
    "without biases": lambda: BiasFreeDnCNN(1, width=32, depth=10, slope=0.01, seed=0),
}


def noisy(x: Tensor, decibels: Tensor, seed: int) -> Tensor:
    """Return images with normal noise of an input PSNR each, ``(images,)`` dB of a peak of 1."""
    sigma = (10 ** (-decibels.double() / 20)).reshape(-1, 1, 1, 1)
    drawn = ns.Draws(seed, 0, tuple(range(len(x)))).of("noise of the experiment").normal(tuple(x.shape[1:]))
    return x + (sigma * drawn).to(x)


def patches(x: Tensor, side: int) -> Tensor:
    """Return grey patches side by side, ``(patches, 1, side, side)``, of grey images."""
    cut = x.unfold(2, side, side).unfold(3, side, side)
    return cut.reshape(-1, 1, side, side).contiguous()


def train(network: Network, x: Tensor, out: Path, settings: Settings) -> Run:
    """Train a denoiser on patches ``x``, each with noise of its own level, or return the one in ``out``."""
    drawn = ns.Draws(settings.seed, 0, tuple(range(len(x)))).of("levels").uniform()
    y = noisy(x, LOW + (HIGH - LOW) * drawn, settings.seed)
    physics = Inpainting(x.shape[1:], torch.ones(x.shape[2:]))  # everything is seen: denoising

    def begin(resume: bool) -> Run:
        f = ns.reconstructors.Direct(network)
        return ns.fit(f, y, physics, ns.losses.Supervised(), truth=x, settings=settings, out=out, resume=resume)

    return fitted(out, begin)


def curve(run: Run, x: Tensor) -> tuple[tuple[float, ...], ...]:
    """Return the PSNR of every image at every level of noise, dB."""
    physics = Inpainting(x.shape[1:], torch.ones(x.shape[2:]))
    values = []
    for number, level in enumerate(AXES.x):
        y = noisy(x, torch.full((len(x),), float(level)), seed=1000 + number)
        found = ns.metrics.psnr(run.reconstruct(y, physics), x, data_range=1.0)
        values.append(tuple(found.tolist()))
    return tuple(values)


def compare(train_on: Tensor, test_on: Tensor, runs: Path, results: Path, settings: Settings = SETTINGS) -> None:
    """Train and score every row that is not in the results yet.

    Args:
        train_on: grey images in [0, 1], at least ``PATCH`` pixels a side.
        test_on: grey images in [0, 1].
        runs: the folder of run folders.
        results: the file of curves.
        settings: of the trainings.
    """
    for name, make in NETWORKS.items():
        if name in curve_names(results):
            print(f"{name}: is there")
            continue
        run = train(make(), patches(train_on, PATCH), runs / name.replace(" ", "_"), settings)
        values = curve(run, test_on)
        setting = circumstances("Denoising of grey Urban100 images", "urban100_256.npz", settings.threads or 1, COMMAND)
        row = CurveRow(name, values, True, round(minutes_of(run), 2), (settings.seed,))
        write_curve(results, setting, AXES, row)
        means = ", ".join(f"{x}: {sum(few) / len(few):.2f}" for x, few in zip(AXES.x, values, strict=True))
        print(f"{name}, PSNR in dB by input PSNR: {means}", flush=True)


def main() -> None:
    """Compare on Urban100; InputError where the images are not there."""
    torch.set_num_threads(SETTINGS.threads or 1)
    colour = ns.data.read_images(place("$NULLSIGHT_DATA/urban100_256.npz", ROOT), None, "NHWC").values
    grey = (colour.float() * torch.tensor(LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
    compare(grey[:90], grey[90:], ROOT / "runs" / "bias", ROOT / "results" / "curves" / "bias.json")


if __name__ == "__main__":
    main()

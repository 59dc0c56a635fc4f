"""A run that is worse than ``A_dagger y`` says so, where there is truth that shows it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import nullsight as ns
from nullsight.app.below_dagger import below_dagger
from nullsight.app.prepare import peak_psnr
from nullsight.training import Run, TruthScore
from tests.toy_recipes import Shell, images, simulated, write_recipe

PHYSICS = ns.physics.Inpainting((1, 12, 12), ns.physics.bernoulli_mask((12, 12), 0.7, seed=0))


class Moved(ns.reconstructors.Reconstructor):
    """``A_dagger y`` and a part of the way from there to a constant image, which is nearer to the truth at first."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def _reconstruct(self, y: torch.Tensor, physics: ns.physics.Physics, start: object, draws: object) -> torch.Tensor:
        return y + self.share * (0.5 - y)


@pytest.fixture(scope="module")
def run() -> Run:
    f = ns.reconstructors.ArtifactRemoval(ns.networks.UNet(1, width=2, depth=1, seed=0))
    loss = ns.losses.MeasurementConsistency()
    return ns.fit(f, PHYSICS.A(images(2)), PHYSICS, loss, steps=1, display=ns.training.Silent())


@pytest.mark.parametrize("share", [-2.0, -0.1, 0.0, 0.1, 0.4, 3.0])
def test_the_sentence_is_said_where_scores_are_below(run: Run, share: float) -> None:
    x = images(5)
    y = ns.data.MeasurementSet(PHYSICS.A(x), PHYSICS)
    observer = TruthScore("test PSNR", peak_psnr, y, ns.data.TruthSet(x))
    moved = replace(run, reconstructor=Moved(share))
    found, least = (float(peak_psnr(image, x).mean()) for image in (moved.reconstruct(y), PHYSICS.A_dagger(y.y)))
    said = below_dagger(moved, [observer])
    assert (said is not None) == (found < least)
    assert said is None or (f"{found:.2f} dB" in said and f"{least:.2f} dB of A_dagger y" in said)
    assert below_dagger(moved, []) is None, "without truth nothing is known of it"


def test_fit_warns_where_truth_shows_it_and_else_says_nothing(shell: Shell, tmp_path: Path) -> None:
    wild = "training.optimiser={name='adam', learning_rate=0.3}"
    assert shell("fit", simulated(tmp_path), "-o", "wild", wild) == 0
    [line] = [one for one in shell.out.splitlines() if one.startswith("warning: the run's test PSNR")]
    assert "A_dagger y" in line and "test_truth" in line
    without = write_recipe(tmp_path, data='[data]\nmeasurements = "data/train.h5"\n', name="without.toml")
    assert shell("fit", without, "-o", "unknown", wild) == 0 and "A_dagger y" not in shell.out

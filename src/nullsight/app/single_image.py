"""Fit a reconstructor to one measurement: deep image prior, equivariant imaging of a single image."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nullsight.app.fitting import fit
from nullsight.data import MeasurementSet
from nullsight.draws import Draws
from nullsight.losses.base import Loss
from nullsight.physics.base import Physics
from nullsight.physics.splits import Split, measured_entries
from nullsight.reconstructors.base import Reconstructor
from nullsight.training import Display, Run, Settings, Silent
from nullsight.training.held_out import See
from nullsight.types import Image, InputError, Measurement


@dataclass(frozen=True)
class SingleImage:
    """What came of one measurement.

    Attributes:
        x: the image, ``(1, *image_shape)``: of the look at which hidden entries were predicted best, or the last.
        step: how many steps had been taken then.
        errors: the mean squared error of the hidden entries at every look, by step; empty where none were hidden.
        run: the training; its reconstructor has the last weights.
    """

    x: Image
    step: int
    errors: dict[int, float]
    run: Run


def fit_single(
    reconstructor: Reconstructor,
    y: Tensor,
    physics: Physics,
    loss: Loss,
    *,
    steps: int,
    hide: Split | None = None,
    looks: int = 20,
    seed: int = 0,
    settings: Settings | None = None,
    display: Display | None = None,
) -> SingleImage:
    """Train a fresh reconstructor on one measurement and return its image, stopped early without truth.

    A part of the measured entries is hidden from the training, and their prediction ``A x`` is looked at now and then.
    While the network takes up the image the error falls; where it begins to take up the noise it rises. The image of
    the lowest error is returned; all steps are taken. Wang et al., "Early stopping for deep image prior", TMLR 2023,
    has other rules without truth; holding out entries is that of Quan et al., "Self2Self with dropout", CVPR 2020.

    Args:
        reconstructor: f, trained in place of its present weights: :class:`~nullsight.reconstructors.DeepImagePrior` or,
            for losses with an equivariance term, one that looks at its measurement.
        y: the measurement, ``(1, *physics.measurement_shape)``.
        physics: the operator that made it; it must be able to leave out entries where some are hidden.
        loss: such as ``MeasurementConsistency()``, with or without ``+ Equivariance(group)``.
        steps: weight updates.
        hide: which entries are kept, such as ``RandomEntries(0.9)``; None: all, and the last image is returned.
        looks: how often hidden entries are predicted, >= 1.
        seed: of the hidden entries and all draws; ``settings.seed`` where settings are given.
        settings: everything else about the training; its budget is replaced by ``steps``.
        display: shows progress; None: nothing.

    Raises:
        InputError: not one measurement, a loss that needs truth, or fewer than one look or step.

    Example:
        >>> import nullsight as ns
        >>> physics = ns.physics.Inpainting((1, 8, 8), ns.physics.bernoulli_mask((1, 8, 8), 0.7, seed=0))
        >>> network = ns.networks.UNet(4, width=4, depth=2, seed=0, residual=False, out_channels=1)
        >>> f = ns.reconstructors.DeepImagePrior(network, channels=4)
        >>> y, loss = physics.A(torch.rand(1, 1, 8, 8)), ns.losses.MeasurementConsistency()
        >>> found = ns.fit_single(f, y, physics, loss, steps=4, hide=ns.physics.RandomEntries(0.8), looks=2)
        >>> found.x.shape, sorted(found.errors)
        (torch.Size([1, 1, 8, 8]), [0, 2, 4])
    """
    if len(y) != 1 or looks < 1 or steps < 1:
        raise InputError(
            f"expected one measurement with its batch axis, and at least 1 step and 1 look, but {len(y)}, {steps} and "
            f"{looks} came: take nullsight.fit for several measurements"
        )
    chosen = Settings(seed=seed, steps=steps, batch_size=1) if settings is None else settings
    chosen = replace(chosen, minutes=None, epochs=None, steps=steps, evaluate_every=max(1, steps // looks))
    shown = Silent() if display is None else display
    if hide is None:
        run = fit(reconstructor, y, physics, loss, settings=chosen, display=shown)
        return SingleImage(run.reconstruct(y), run.step, {}, run)
    keep = hide.sample(physics, Draws(chosen.seed, 0, (0,)).of("hidden entries"))
    seen = MeasurementSet(torch.where(keep, y, torch.zeros_like(y)), physics.subset(keep))
    watcher = _Watcher(seen, y, physics, measured_entries(physics, 1) & ~keep)
    run = fit(reconstructor, seen, None, loss, settings=chosen, observers=[watcher], display=shown)
    assert watcher.x is not None
    return SingleImage(watcher.x, watcher.step, watcher.errors, run)


class _Watcher:
    """Keeps the image by which hidden entries were predicted best."""

    def __init__(self, seen: MeasurementSet, y: Measurement, physics: Physics, hidden: Tensor) -> None:
        self.seen, self.y, self.physics, self.hidden = seen, y, physics, hidden
        self.x: Image | None = None
        self.step, self.lowest, self.errors = 0, float("inf"), dict[int, float]()

    def __call__(self, step: int, reconstruct: See) -> dict[str, float]:
        """Return the mean squared error of the hidden entries."""
        x = reconstruct(self.seen).to(self.y)
        wrong = (self.physics.A(x) - self.y)[self.hidden]
        error = float(wrong.double().square().mean())
        if self.x is None or error < self.lowest:
            self.x, self.step = x, step
        self.lowest = min(self.lowest, error)  # in this order NaN, which is below nothing, ends no search
        self.errors[step] = error
        return {"hidden entries": error}

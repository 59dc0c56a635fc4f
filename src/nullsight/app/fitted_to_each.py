"""Single-image fits as a reconstructor, so that a recipe can name them."""

import copy
from collections.abc import Sequence

import torch

from nullsight.app.single_image import fit_single
from nullsight.draws import Draws
from nullsight.losses.base import Loss
from nullsight.physics.base import Physics
from nullsight.physics.splits import Split
from nullsight.reconstructors.base import Reconstructor
from nullsight.training import Adam, Optimiser, Settings
from nullsight.types import Image, InputError, Measurement

ADAM = Adam(1e-3)


class FittedToEach(Reconstructor):
    """``f_y(y)``: every measurement gets a reconstructor of its own, trained on it alone and then forgotten.

    Deep image prior (Ulyanov, Vedaldi, Lempitsky, CVPR 2018), or the loss of "Equivariant Imaging" (Chen, Tachella,
    Davies, ICCV 2021) on one measurement, as rows of a table: it has no weights between two images, so its time is that
    of reconstructing. Every image begins with the weights that ``f`` has. Its name in a recipe is
    ``"nullsight.app.fitted_to_each:FittedToEach"``.

    Args:
        f: what is trained, from these weights each time.
        losses: the terms.
        weights: one a term; None: 1 each.
        steps: weight updates an image, >= 1.
        hide: which entries the training sees, so that it can be stopped early; None: all, and the last image is taken.
        optimiser: what moves the weights.
        seed: of all draws.

    Raises:
        InputError: no term, not one weight a term, fewer than one step, or a loss that needs truth.

    Example:
        >>> from nullsight.losses import MeasurementConsistency
        >>> from nullsight.networks import UNet
        >>> from nullsight.physics import Inpainting
        >>> from nullsight.reconstructors import ArtifactRemoval
        >>> f = ArtifactRemoval(UNet(1, width=4, depth=2, seed=0))
        >>> each = FittedToEach(f, [MeasurementConsistency()], steps=2)
        >>> each(torch.rand(2, 1, 8, 8), Inpainting((1, 8, 8), torch.ones(8, 8))).shape
        torch.Size([2, 1, 8, 8])
    """

    f: Reconstructor

    def __init__(
        self,
        f: Reconstructor,
        losses: Sequence[Loss],
        weights: Sequence[float] | None = None,
        steps: int = 300,
        hide: Split | None = None,
        optimiser: Optimiser = ADAM,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not losses or (weights is not None and len(weights) != len(losses)):
            raise InputError(
                f"expected at least one term of the loss and one weight a term, but {len(losses)} terms and the "
                f"weights {weights} came: correct them"
            )
        if steps < 1:
            raise InputError(f"expected at least 1 step an image, but {steps} came")
        if any(loss.needs_truth for loss in losses):
            raise InputError("expected terms that need no truth, but one of them does: a single image has none")
        # not as a module: its weights are where each training begins, not weights of this reconstructor
        self.__dict__["f"] = f
        self.losses, self.weights, self.steps, self.hide = tuple(losses), weights, steps, hide
        self.optimiser, self.seed = optimiser, seed

    @property
    def loss(self) -> Loss:
        """The weighted sum of the terms."""
        weights = [1.0] * len(self.losses) if self.weights is None else self.weights
        first, *others = (weight * copy.deepcopy(term) for weight, term in zip(weights, self.losses, strict=True))
        for one in others:
            first = first + one
        return first

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        settings = Settings(seed=self.seed, steps=self.steps, batch_size=1, optimiser=self.optimiser)
        images = []
        with torch.inference_mode(False), torch.enable_grad():
            for i in range(len(y)):
                found = fit_single(
                    copy.deepcopy(self.f).to(y.dtype),
                    y[i : i + 1].clone(),
                    physics.take([i]),
                    self.loss,
                    steps=self.steps,
                    hide=self.hide,
                    settings=settings,
                )
                images.append(found.x.detach().to(y))
        return torch.cat(images)

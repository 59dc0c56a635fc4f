"""The mean over recorruptions at test time, for a reconstructor that learned from recorrupted measurements."""

import torch

from nullsight.draws import Draws
from nullsight.noise import Recorruption
from nullsight.physics.base import Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.reconstructors.helpers import Helper
from nullsight.types import Image, InputError, Measurement, where_measured


class RecorruptedAverage(Helper):
    """``mean of f(y1)`` over recorruptions ``y1`` of ``y``: what a reconstructor that learned from pairs does best.

    f was trained on somewhat noisier measurements than ``y``, and is asked as it was in training; each ``y1`` has
    another noise of its own, which the mean takes out again, so that it comes near the mean of f given ``y``. For
    squared errors the mean is never worse than one ``f(y1)`` on average (Jensen). The recorruptions are the same for
    every image of a batch. Pang, Zheng, Quan, Ji, "Recorrupted-to-Recorrupted", CVPR 2021; Monroy, Bacca,
    Tachella, "Generalized Recorrupted-to-Recorrupted", CVPR 2025.

    Args:
        f: trained by :class:`~nullsight.losses.Recorrupted`.
        recorruption: how ``y`` becomes two: that of the training.
        count: of recorruptions, >= 1; one pass of f each.
        seed: of the recorruptions.

    Raises:
        InputError: fewer than one recorruption.

    Example:
        >>> from nullsight.noise import GaussianPair
        >>> from nullsight.physics import Inpainting
        >>> from nullsight.reconstructors.simple import LinearInverse
        >>> f = RecorruptedAverage(LinearInverse(), GaussianPair(0.1), count=4)
        >>> f(torch.ones(2, 1, 8, 8), Inpainting((1, 8, 8), torch.ones(8, 8))).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(self, f: Reconstructor, recorruption: Recorruption, count: int = 8, seed: int = 0) -> None:
        super().__init__(f)
        if count < 1:
            raise InputError(f"expected at least 1 recorruption to average over, but {count} came")
        self.recorruption, self.count, self.seed = recorruption, count, seed

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        images = []
        for number in range(self.count):
            # not by the images' own numbers: each is reconstructed alone as in any batch
            stream = Draws(self.seed, number, (0,) * len(y)).of("recorrupted average")
            seen = where_measured(self.recorruption.pair(y, stream)[0], physics.measured)
            images.append(self.f(seen, physics, draws=draws))  # not from start, which was made of y itself
        return torch.stack(images).mean(0)

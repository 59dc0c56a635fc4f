"""Virtual problems that are kept ready, for reconstructors whose work before any weight is costly."""

import torch
from torch import Tensor

from nullsight.losses.growing import Growing
from nullsight.types import Image, InputError, Measurement

Problems = tuple[Image, Measurement, Image, Tensor]


class ReadyProblems(Growing):
    """For each sample some virtual images, their measurements and what f begins with; in every checkpoint.

    A sample's problems are taken in turn during ``every`` passes over the data, each in as many passes as the others,
    and then made anew.

    Args:
        count: problems a sample, 1 .. ``every``.
        every: passes from one making to the next; ``count`` divides it.

    Attributes:
        images: ``(samples, count, *image_shape)``; empty before a training.
        measurements: ``(samples, count, *measurement_shape)``.
        starts: what f begins with, ``(samples, count, *image_shape)``.
        frames: which operator measured them, int64 ``(samples, count)``; 0 is the sample's own.

    Raises:
        InputError: a count below 1, or one that does not divide ``every``.

    Example:
        >>> ReadyProblems(2, every=4).turn(torch.tensor([0, 1, 2, 3]), epoch=1)
        tensor([0, 0, 1, 1])
    """

    growing = ("images", "measurements", "starts", "frames")
    images: Tensor
    measurements: Tensor
    starts: Tensor
    frames: Tensor

    def __init__(self, count: int, every: int) -> None:
        super().__init__()
        if count < 1 or every % count:
            raise InputError(
                f"expected a number of ready problems that divides the {every} passes from one renewal to the next, "
                f"but {count} came"
            )
        self.count, self.every = count, every
        self.frames = torch.zeros(0, dtype=torch.int64)

    def turn(self, ids: Tensor, epoch: int) -> Tensor:
        """Return which of its problems each sample is given in this pass, ``(batch,)``; the last one when it is due."""
        return (ids + epoch - 1) % self.every * self.count // self.every

    def fill(self, parts: list[Problems]) -> None:
        """Keep the problems of all samples in their order, block after block, each ``(samples, count, ...)``."""
        for name, values in zip(self.growing, zip(*parts, strict=True), strict=True):
            setattr(self, name, torch.cat(values))

    def renew(self, sample: int, problems: Problems) -> None:
        """Replace one sample's problems, each part ``(1, count, ...)``."""
        for name, values in zip(self.growing, problems, strict=True):
            getattr(self, name)[sample] = values[0]

    def take(self, ids: Tensor, epoch: int) -> Problems:
        """Return images, measurements, starts and frames for one pass, ``(batch, ...)`` each."""
        which = self.turn(ids, epoch)
        return self.images[ids, which], self.measurements[ids, which], self.starts[ids, which], self.frames[ids, which]

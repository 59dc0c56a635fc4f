"""A network that makes an image from nothing, to be fitted to one measurement."""

import torch
from torch import nn

from nullsight.draws import Draws
from nullsight.physics.base import Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.types import Image, InputError, Measurement

_HEIGHT = 0.1  # of the input's values, as the paper has it


class DeepImagePrior(Reconstructor):
    """``f(y) = s G(n)`` with a fixed random n: the image is in the weights alone, and ``y`` only in their training.

    Ulyanov, Vedaldi, Lempitsky, "Deep image prior", CVPR 2018. For one measurement:
    :func:`nullsight.fit_single` with :class:`~nullsight.losses.MeasurementConsistency`, stopped early, for an
    untrained convolutional network takes up an image before its noise. An equivariance term is not for it: f does not
    look at ``y``, so ``f(A T_g x1)`` is ``x1``, and the term asks for an image that no g changes. For single images
    with one take :class:`~nullsight.reconstructors.ArtifactRemoval`. n is uniform from 0 to 0.1, the same for every
    image; ``start`` is not used.

    Args:
        network: G, ``channels`` in; a residual one adds n to its image, so it should not be one.
        channels: of n, >= 1.
        seed: of n.

    Raises:
        InputError: fewer than 1 channel.

    Example:
        >>> from nullsight.networks import UNet
        >>> f = DeepImagePrior(UNet(8, width=8, depth=3, seed=0, residual=False, out_channels=1), channels=8)
    """

    def __init__(self, network: nn.Module, channels: int = 32, seed: int = 0) -> None:
        super().__init__()
        if channels < 1:
            raise InputError(f"expected at least 1 channel of noise, but {channels} came: 32 is common")
        self.network, self.channels, self.seed = network, channels, seed

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        stream = Draws(self.seed, 0, (0,)).of("deep image prior")
        one = _HEIGHT * stream.uniform((self.channels, *physics.image_shape[1:])).to(y)
        out: Image = self.network(one)
        return (
            (self.scale * out.to(y.dtype)).expand(len(y), *out.shape[1:]).clone(memory_format=torch.contiguous_format)
        )

"""Fully connected layers, for small problems and for reconstructors that have no A_dagger."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from nullsight.networks.layers import Network, draw_weights, quietly
from nullsight.types import Image, InputError, Measurement


class FullyConnected(Network):
    """Linear layers with ReLU between them, from a vector of any shape to an image.

    Args:
        image_shape: of the output, ``(channels, *space)``.
        hidden: widths of the hidden layers.
        seed: of the weights.
        input_shape: of the input without batch; None means ``image_shape``.

    Raises:
        InputError: sizes below 1, or an input of another shape.

    Example:
        >>> network = FullyConnected((1, 16), hidden=(32,), seed=0, input_shape=(10,))
        >>> network(torch.rand(3, 10)).shape
        torch.Size([3, 1, 16])
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        hidden: Sequence[int] = (256, 256),
        *,
        seed: int = 0,
        input_shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.image_shape, self.hidden, self.seed = tuple(image_shape), tuple(hidden), seed
        self.input_shape = None if input_shape is None else tuple(input_shape)
        inputs = self.image_shape if self.input_shape is None else self.input_shape
        if min((*self.image_shape, *self.hidden, *inputs), default=0) < 1:
            raise InputError(f"expected sizes of at least 1, but {inputs}, {self.hidden} and {self.image_shape} came")
        self._inputs = inputs
        sizes = [torch.Size(inputs).numel(), *self.hidden, torch.Size(self.image_shape).numel()]
        with quietly():
            layers: list[nn.Module] = []
            for a, b in pairwise(sizes):
                layers += [nn.Linear(a, b), nn.ReLU()]
            self.layers = nn.Sequential(*layers[:-1])
        self._draw()

    def forward(self, x: Measurement) -> Image:
        """Return the images ``(batch, *image_shape)`` for ``(batch, *input_shape)``."""
        if tuple(x.shape[1:]) != self._inputs:
            raise InputError(
                f"expected an input of shape (batch, {', '.join(map(str, self._inputs))}) for this network, but "
                f"{tuple(x.shape)} came: build the network with this input_shape"
            )
        out: Image = self.layers(x.flatten(1))
        return out.reshape(-1, *self.image_shape)

    def _draw(self) -> None:
        draw_weights(self, self.seed)

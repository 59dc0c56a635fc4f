"""A first image for operators that leave out pixels: local means where nothing is seen."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from nullsight.draws import Draws
from nullsight.physics.base import Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.types import Image, InputError, Measurement

_CONVOLVE: dict[int, Callable[..., Tensor]] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_LEAST = 1e-3  # of the weight of all neighbours: below it there is none


class SmoothFill(Reconstructor):
    """Alternate local means and the measurements: ``u <- S u - A_dagger(A S u - y)``, S the mean over neighbours.

    The first image is ``S(A_dagger y) / S(A_dagger A 1)``, the mean over the neighbours that are seen. For a mask this
    is an iteration of Jacobi's kind towards the harmonic function with the seen pixels as boundary values; a few
    iterations fill the gaps of a random mask. Nothing is learned. As the ``first`` image of an unrolled reconstructor
    it spares the network to learn interpolation. Serves operators whose ``A_dagger A`` is nearly a projection.

    Args:
        iterations: >= 0.

    Raises:
        InputError: fewer than 0 iterations.

    Example:
        >>> from nullsight.physics import Inpainting
        >>> physics = Inpainting((1, 1, 5), torch.tensor([[1, 1, 0, 1, 1]]))
        >>> SmoothFill()(physics.A(torch.tensor([[[[1.0, 1.0, 0.0, 3.0, 3.0]]]])), physics)
        tensor([[[[1., 1., 2., 3., 3.]]]])
    """

    def __init__(self, iterations: int = 8) -> None:
        super().__init__()
        if iterations < 0:
            raise InputError(f"expected at least 0 iterations, but {iterations} came")
        self.iterations = iterations

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        zero_filled = physics.A_dagger(y) if start is None else start
        seen = physics.A_dagger(physics.A(torch.ones_like(zero_filled)))
        known = _neighbours(seen)
        u = _neighbours(zero_filled) / torch.where(known.abs() > _LEAST, known, torch.ones_like(known))
        u = u - physics.A_dagger(physics.A(u) - y)
        there = _neighbours(torch.ones_like(u[:1]))  # fewer neighbours at the border
        for _ in range(self.iterations):
            mean = _neighbours(u) / there
            u = mean - physics.A_dagger(physics.A(mean) - y)
        return u


def _neighbours(x: Image) -> Tensor:
    """Return the weighted sum over the neighbours of each pixel: those along an axis count 4, across corners 1."""
    dimension = x.ndim - 2
    near = torch.tensor([0.5, 2.0, 0.5], dtype=x.dtype, device=x.device)  # its powers weigh 4 : 1
    kernel = near
    for _ in range(dimension - 1):
        kernel = kernel[..., None] * near
    kernel = kernel.clone()
    kernel[(1,) * dimension] = 0
    channels = x.shape[1]
    kernel = (kernel / kernel.sum()).expand(channels, 1, *kernel.shape)
    return _CONVOLVE[dimension](x, kernel, padding=1, groups=channels)

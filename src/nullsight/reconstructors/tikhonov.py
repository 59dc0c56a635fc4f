"""Tikhonov regularisation: a quadratic penalty, a linear system."""

import torch

from nullsight.draws import Draws
from nullsight.noise import Noise
from nullsight.physics.base import Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.reconstructors.misfits import misfit, squares
from nullsight.reconstructors.priors import Quadratic, Size, solved
from nullsight.reconstructors.problems import along, brightness, linear
from nullsight.reconstructors.variational import NOISELESS
from nullsight.types import Image, InputError, Measurement

SIZE = Size()


class Tikhonov(Reconstructor):
    """``f(y) = (A^T W A + weight N)^-1 A^T W y``: the minimum of ``|W^(1/2) (A x - y)|^2 + weight <x, N x>``.

    Tikhonov, Arsenin, "Solutions of ill-posed problems", Winston 1977. W is ``1 / |A|^2`` without noise, so the unit of
    A does not matter, and ``s^2`` over the variance with it, s being the intensity of a bright pixel of ``A_dagger y``.
    By conjugate gradients to a relative residual of 1e-6 in single precision and 1e-11 in double, at most 500 steps.
    The gradient is exact, by solving once more, with W as a constant. Where they begin does not matter.

    Args:
        weight: > 0.
        noise: of the measurements; not counts alone.
        penalty: what N is: :class:`~nullsight.reconstructors.Size` the identity,
            :class:`~nullsight.reconstructors.Roughness` minus the Laplacian.

    Raises:
        InputError: a weight that is not a number above 0.

    Example:
        >>> from nullsight.physics import Inpainting
        >>> f = Tikhonov(weight=1.0)
        >>> f(torch.ones(1, 1, 2, 2), Inpainting((1, 2, 2), torch.ones(2, 2))).mean()
        tensor(0.5000)
    """

    def __init__(self, weight: float, noise: Noise = NOISELESS, penalty: Quadratic = SIZE) -> None:
        super().__init__()
        if not 0 < weight < float("inf"):
            raise InputError(f"expected a weight above 0, but {weight} came: take LinearInverse for none")
        self.weight, self.noise, self.penalty = weight, noise, penalty

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        operator = linear(physics)
        with torch.no_grad():
            scale = brightness(physics.A_dagger(y) if start is None else start)
            found = squares(misfit(self.noise, y, along(scale, y) * physics.norm()))
        weights = along(scale, y) ** 2 * found.weights.detach()
        return solved(
            lambda x: operator.A_adjoint(weights * operator.A(x)) + self.weight * self.penalty.normal(x),
            operator.A_adjoint(weights * y),
        )

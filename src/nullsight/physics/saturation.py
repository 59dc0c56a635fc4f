"""Detectors that saturate: beyond a value they only tell that there was more."""

from torch import Tensor

from nullsight.physics.base import Linearized, LinearPhysics, Physics, stated_error
from nullsight.types import Image, InputError, Measurement, check_batch, where_measured


class Saturation(Physics):
    """A linear operator whose measurements are cut off: ``A(x) = min(max(B x, low), high)``.

    A saturated entry is measured, but says only an inequality: where ``f(y)`` measures beyond ``high``, consistency
    finds nothing wrong. What lies there a group can teach that brings it into range (Sechaud, Jacques, Abry, Tachella,
    "Equivariance-based self-supervised learning for audio signal recovery from clipped measurements", arXiv
    2409.15283, 2024). The derivative is 0 beyond the range, so consistency does not pull a reconstruction back that is
    there by mistake: begin near ``A_dagger y``, as networks with a residual connection do, and expect it to cost some
    quality. ``A_dagger`` is that of ``B`` and takes saturated values as they are; ``linearize`` gives them weight 0.

    Args:
        physics: the linear operator ``B``.
        high: largest value that is measured.
        low: smallest value, below ``high``.
        margin: from so near to ``low`` or ``high`` on, ``linearize`` counts a value as saturated, >= 0: some standard
            deviations of the noise, which is added after the cut.

    Raises:
        InputError: numbers that leave no range.

    Example:
        >>> import torch
        >>> from nullsight.physics.inpainting import Inpainting
        >>> physics = Saturation(Inpainting((1, 2), torch.ones(2)), high=1.0)
        >>> y = physics.A(torch.tensor([[[0.5, 3.0]]]))
        >>> y, physics.linearize(y).weights
        (tensor([[[0.5000, 1.0000]]]), tensor([[[1., 0.]]]))
    """

    def __init__(self, physics: LinearPhysics, high: float, *, low: float = float("-inf"), margin: float = 0.0) -> None:
        super().__init__(physics.image_shape, physics.measurement_shape)
        if not (margin >= 0 and low + margin < high - margin):
            raise InputError(
                f"expected low below high and room between them, but low = {low}, high = {high} and margin = {margin} "
                f"came: give them in the unit of the measurements"
            )
        self.physics = physics
        self.high, self.low, self.margin = high, low, margin
        self.dagger_ensemble = physics.dagger_ensemble

    @property
    def measured(self) -> Tensor | None:
        """Bool ``(1 or batch, *measurement_shape)``, as the linear operator has it; saturated entries are measured."""
        return self.physics.measured

    @property
    def dagger_error(self) -> float:  # type: ignore[override]
        """Stated ``|A A_dagger A x - A x| / |A x|``, measured once, with 20 % to spare."""
        return stated_error(self)

    def norm(self) -> float:
        """Return that of the linear operator: what is cut off changes less."""
        return self.physics.norm()

    def dagger_gain(self) -> float:
        """Return that of the linear operator."""
        return self.physics.dagger_gain()

    def subset(self, keep: Tensor) -> "Saturation":
        """Return the operator with what ``keep`` leaves of the linear one."""
        part = self.physics.subset(keep)
        assert isinstance(part, LinearPhysics)
        return type(self)(part, self.high, low=self.low, margin=self.margin)

    def linearize(self, y: Tensor) -> Linearized:
        """Return the linear operator, ``y``, and 1 for values in range, 0 for others."""
        check_batch(y, self.measurement_shape, "measurement")
        inside = (y > self.low + self.margin) & (y < self.high - self.margin)
        return Linearized(self.physics, y, where_measured(inside.to(y.dtype), self.measured))

    def _measure(self, x: Image) -> Measurement:
        return where_measured(self.physics.A(x).clamp(self.low, self.high), self.measured)

    def _invert(self, y: Measurement) -> Image:
        return self.physics.A_dagger(y)

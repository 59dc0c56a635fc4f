"""Transmission tomography in counts: what is left of a beam on its way through an image."""

from math import isfinite

import torch
from torch import Tensor

from nullsight.physics.base import Linearized, LinearPhysics, Physics, stated_error
from nullsight.physics.composed import transformed
from nullsight.types import Acts, Element, Image, InputError, Measurement, check_batch, where_measured

_LEAST = -20.0  # exponent: attenuation is not negative, and what an untrained network makes must not overflow float32


class Transmission(Physics):
    """Expected counts behind an attenuating image (Beer and Lambert): ``A(x) = I0 exp(-attenuation R x)``.

    Noise is another part: ``PoissonGaussian(gain=1, sigma=30)`` is counting with electronic noise of 30 counts, as in
    low-dose CT (Chen, Tachella, Davies, "Robust equivariant imaging", CVPR 2022).

    ``A_dagger`` is that of the line integrals, ``R_dagger(log(I0 / c(y)) / attenuation)``. Few, no and (by electronic
    noise) negative counts have no logarithm, so ``c(y) = y`` from ``2 floor`` on, ``floor`` below 0, and the parabola
    ``floor + y^2 / (4 floor)`` in between: smooth, with a gradient of the logarithm of at most ``1 / (2 floor)``. Rays
    along which an image amplifies more than ``e^20`` times, as that of an untrained network may, count as that much and
    have no gradient.

    ``linearize`` gives R, these line integrals, and the inverse of their variance to first order,
    ``c^2 / (c + sigma^2)``, over that of a ray that nothing attenuates and at most 1 (Sauer and Bouman, "A local update
    strategy for iterative reconstruction from projections", IEEE Trans. Signal Processing 41, 1993, there for sigma 0).
    For data steps take ``ConjugateGradients`` or ``Preconditioned``: those of least squares in counts hardly see rays
    that are strongly attenuated.

    Args:
        projector: ``R``, the line integrals of any tomography.
        photons: ``I0``, counts of a ray that nothing attenuates, > 0.
        attenuation: what an image of value 1 attenuates per unit of length of ``R`` (a pixel, unless its pixel_size is
            another), > 0; with 0.0064 a ray through 256 pixels of value 1 keeps 19 %.
        sigma: standard deviation of electronic noise in counts, >= 0, for the weights of ``linearize`` alone.
        floor: in counts, above 0 and below half of ``photons``.

    Raises:
        InputError: a number out of range.

    Example:
        >>> from nullsight.physics.tomography import ParallelBeamCT
        >>> physics = Transmission(ParallelBeamCT((1, 16, 16), 12), photons=1e5, attenuation=0.0064)
        >>> physics.A(torch.zeros(1, 1, 16, 16)).unique()
        tensor([100000.])
        >>> bool(physics.A_dagger(torch.zeros(1, *physics.measurement_shape)).isfinite().all())
        True
    """

    def __init__(
        self, projector: LinearPhysics, photons: float, attenuation: float, *, sigma: float = 0.0, floor: float = 1.0
    ) -> None:
        super().__init__(projector.image_shape, projector.measurement_shape)
        for name, value in (("photons", photons), ("attenuation", attenuation), ("floor", floor)):
            if not (isfinite(value) and value > 0):
                raise InputError(f"expected {name} above 0, but {value} came: counts, and attenuation per length")
        if not (isfinite(sigma) and sigma >= 0 and floor < photons / 2):
            raise InputError(
                f"expected sigma of at least 0 and a floor below half of photons = {photons}, but sigma = {sigma} and "
                f"floor = {floor} came: give both in counts"
            )
        self.projector = projector
        self.photons, self.attenuation, self.sigma, self.floor = photons, attenuation, sigma, floor
        self.dagger_ensemble = projector.dagger_ensemble

    @property
    def measured(self) -> Tensor | None:
        """Bool ``(1 or batch, *measurement_shape)``, as the line integrals have it."""
        return self.projector.measured

    @property
    def dagger_error(self) -> float:  # type: ignore[override]
        """Stated ``|A A_dagger A x - A x| / |A x|`` in counts, measured once, with 20 % to spare."""
        return stated_error(self)

    def norm(self) -> float:
        """Return ``I0 attenuation |R|``: the norm of the derivative at ``x = 0``, the largest for images >= 0."""
        return self.photons * self.attenuation * self.projector.norm()

    def dagger_gain(self) -> float:
        """Return that of the line integrals: above the floor ``A_dagger A = R_dagger R``."""
        return self.projector.dagger_gain()

    def subset(self, keep: Tensor) -> "Transmission":
        """Return the operator with what ``keep`` leaves of the line integrals."""
        part = self.projector.subset(keep)
        assert isinstance(part, LinearPhysics)
        return type(self)(part, self.photons, self.attenuation, sigma=self.sigma, floor=self.floor)

    def transformed(self, group: Acts, g: Element) -> "Transmission":
        """Return ``A T_g``: the counts behind the line integrals of the transformed image."""
        turned = transformed(self.projector, group, g)
        return type(self)(turned, self.photons, self.attenuation, sigma=self.sigma, floor=self.floor)

    def linearize(self, y: Tensor) -> Linearized:
        """Return ``R``, the line integrals that counts tell of, and their inverse variances."""
        check_batch(y, self.measurement_shape, "measurement")
        counts = self._counts(y)
        best = self.photons**2 / (self.photons + self.sigma**2)
        weights = (counts**2 / (counts + self.sigma**2) / best).clamp_max(1)
        return Linearized(self.projector, self._line_integrals(y), where_measured(weights, self.measured))

    def _measure(self, x: Image) -> Measurement:
        exponent = (self.attenuation * self.projector.A(x)).clamp_min(_LEAST)
        return where_measured(self.photons * torch.exp(-exponent), self.measured)

    def _invert(self, y: Measurement) -> Image:
        return self.projector.A_dagger(self._line_integrals(y))

    def _line_integrals(self, y: Measurement) -> Measurement:
        return where_measured(-torch.log(self._counts(y) / self.photons) / self.attenuation, self.measured)

    def _counts(self, y: Measurement) -> Measurement:
        bent = self.floor + y.clamp(0, 2 * self.floor) ** 2 / (4 * self.floor)
        return torch.where(y < 2 * self.floor, bent, y)

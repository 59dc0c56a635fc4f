"""Reconstructors that apply their network once, or none."""

from torch import nn

from nullsight.draws import Draws
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.types import Image, InputError, Measurement


class LinearInverse(Reconstructor):
    """``f(y) = A_dagger y``: what the physics gives without learning; the baseline.

    Example:
        >>> len(list(LinearInverse().parameters()))
        0
    """

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        return physics.A_dagger(y) if start is None else start


class Direct(Reconstructor):
    """``f(y) = s G(y / (s |A|))``: a network from measurements to images that does without ``A_dagger``.

    Measurements are divided by the image scale ``s`` and the norm of ``A``, so their unit does not matter. ``start`` is
    not used.

    Args:
        network: takes ``(batch, *measurement_shape)`` and returns ``(batch, *image_shape)``: a fully connected one, or
            any image network where the two shapes agree (inpainting, denoising, blur).

    Example:
        >>> from nullsight.networks import FullyConnected
        >>> f = Direct(FullyConnected((1, 16), hidden=(32,), seed=0, input_shape=(10,)))
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        return self._apply_network(self.network, y / physics.norm())


class ArtifactRemoval(Reconstructor):
    """``f(y) = s G(A_dagger y / s)``: a network takes the artifacts off ``A_dagger y``; the papers' reconstructor.

    Jin et al., "Deep convolutional neural network for inverse problems in imaging", IEEE TIP 2017; Chen, Tachella,
    Davies, "Equivariant Imaging", ICCV 2021, section 3.

    Args:
        network: any image network, images to images of the same shape.

    Example:
        >>> from nullsight.networks import UNet
        >>> f = ArtifactRemoval(UNet(1, width=8, depth=3, seed=0))
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        return self._apply_network(self.network, physics.A_dagger(y) if start is None else start)


class NullSpace(Reconstructor):
    """``f(y) = A_dagger y + P s G(A_dagger y / s)`` with ``P`` the projection on the null space of ``A``.

    The network fills in only what ``A`` cannot see, so ``A f(y) = A A_dagger y`` whatever the weights are: as
    consistent as ``A_dagger y`` is. Schwab, Antholzer, Haltmeier, "Deep null space learning for inverse problems",
    Inverse Problems 2019; Chen, Davies, "Deep decomposition learning for inverse imaging problems", ECCV 2020.

    ``P`` is the orthogonal projection ``physics.project_null``, by conjugate gradients, not ``I - A_dagger A``: that
    one is a projection only where ``A_dagger`` is exact. The gradient is ``P`` itself (it is symmetric), at the cost of
    one more projection and without keeping its iterations. The error in ``A f(y)`` falls with every iteration; one is
    enough for masks and one-coil MRI.

    Args:
        network: any image network, images to images of the same shape.
        iterations: of conjugate gradients at most, >= 1.
        tolerance: relative residual of the normal equations at which they stop; None: what the dtype can reach.

    Raises:
        InputError: the physics is not linear, so it has no null space.

    Example:
        >>> from nullsight.networks import UNet
        >>> f = NullSpace(UNet(1, width=8, depth=3, seed=0), iterations=20)
    """

    def __init__(self, network: nn.Module, iterations: int = 50, tolerance: float | None = None) -> None:
        super().__init__()
        if iterations < 1:
            raise InputError(f"expected at least 1 iteration, but {iterations} came")
        self.network, self.iterations, self.tolerance = network, iterations, tolerance

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        if not isinstance(physics, LinearPhysics):
            raise InputError(
                f"expected a linear physics, which has a null space, but {type(physics).__name__} came: use "
                f"ArtifactRemoval or Unrolled"
            )
        first = physics.A_dagger(y) if start is None else start
        filled = self._apply_network(self.network, first)
        return first + physics.project_null(filled, iterations=self.iterations, tolerance=self.tolerance)

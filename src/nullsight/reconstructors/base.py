"""The contract of every reconstructor: measurements and their physics in, images out; only weights are kept."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from nullsight.draws import Draws
from nullsight.physics.base import Physics
from nullsight.types import Image, InputError, Measurement, check_batch


class Reconstructor(nn.Module, ABC):
    """``f(y, physics) -> x``. The physics is handed in, so a trained f runs on another mask, angle set or size.

    A subclass writes ``_reconstruct``; it is called with ``y`` and ``start`` of the right shapes, and what it returns
    is checked. The intensity scale of the data is a buffer stored with the weights: networks see images divided by it,
    so that measurements in counts, 1/mm or arbitrary units train alike.

    Attributes:
        scale: 0-d, the intensity of a bright pixel in the image's unit; 1 until :meth:`set_scale`.
    """

    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()))

    @abstractmethod
    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image: ...

    def begin(self, y: Measurement, physics: Physics) -> Image:
        """Return what :meth:`forward` makes of ``y`` before anything that is learned: ``A_dagger y`` for most.

        It must not depend on weights or on the intensity scale: a training computes it once for each measurement,
        before the scale is known, and hands it in as ``start``.
        """
        return physics.A_dagger(y)

    def forward(self, y: Tensor, physics: Physics, *, start: Image | None = None, draws: Draws | None = None) -> Image:
        """Reconstruct a batch.

        Args:
            y: measurements, ``(batch, *physics.measurement_shape)``.
            physics: the operator that made them (one for all, or one a sample).
            start: what :meth:`begin` returns, where it is known already, ``(batch, *physics.image_shape)``.
            draws: randomness, for reconstructors that need it.

        Returns:
            Images ``(batch, *physics.image_shape)``.

        Raises:
            InputError: ``y`` or ``start`` do not belong to this physics, or a network returns images of another shape.
        """
        check_batch(y, physics.measurement_shape, "measurement")
        if start is not None:
            check_batch(start, physics.image_shape, "starting image")
            if start.shape[0] != y.shape[0]:
                raise InputError(
                    f"expected one starting image a measurement, but {start.shape[0]} images came for {y.shape[0]}"
                )
        x = self._reconstruct(y, physics, start, draws)
        expected = (y.shape[0], *physics.image_shape)
        if tuple(x.shape) != expected:
            raise InputError(
                f"expected {type(self).__name__} to return images of shape {expected}, but {tuple(x.shape)} came: "
                f"check that its network returns images of the physics's image_shape"
            )
        return x

    def set_scale(self, images: Image) -> None:
        """Set the intensity scale to the 99.9th percentile of ``|images|`` (``A_dagger y`` of the training data)."""
        top = bright(images)
        if not (bool(torch.isfinite(top)) and float(top) > 0):
            raise InputError(
                f"expected measurements whose A_dagger y is finite and not zero, but its 99.9th percentile is "
                f"{float(top)}: check the units and the operator"
            )
        self.scale.fill_(float(top))

    def _apply_network(self, network: nn.Module, x: Tensor) -> Tensor:
        """Return ``s G(x / s)``, in the dtype of ``x`` also where the network runs in a lower one."""
        out: Tensor = network(x / self.scale)
        return out.to(x.dtype) * self.scale


def bright(values: Tensor) -> Tensor:
    """Return the 99.9th percentile of ``|values|``, 0-d float64."""
    flat = values.detach().abs().flatten()
    # torch.quantile takes at most 16 million values; an odd stride does not keep to one column of the images
    return torch.quantile(flat[:: max(1, flat.numel() // 1_000_000) | 1].double(), 0.999)

"""The contract of every reconstructor: measurements and their physics in, images out; only weights are kept."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from nullsight.draws import Draws
from nullsight.physics.base import Physics
from nullsight.types import Image, InputError, Measurement


class Reconstructor(nn.Module, ABC):
    """``f(y, physics) -> x``. The physics is handed in, so a trained f runs on another mask, angle set or size.

    The intensity scale of the data is a buffer stored with the weights: networks see images divided by it, so that
    measurements in counts, 1/mm or arbitrary units train alike.
    """

    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()))

    @abstractmethod
    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image: ...

    def forward(self, y: Tensor, physics: Physics, *, start: Image | None = None, draws: Draws | None = None) -> Image:
        """Reconstruct a batch.

        Args:
            y: measurements, ``(batch, *physics.measurement_shape)``.
            physics: the operator that made them (one for all, or one a sample).
            start: ``A_dagger y`` where it is known already, ``(batch, *physics.image_shape)``.
            draws: randomness, for reconstructors that need it.
        """
        return self._reconstruct(y, physics, start, draws)

    def set_scale(self, images: Image) -> None:
        """Set the intensity scale to the 99.9th percentile of ``|images|`` (``A_dagger y`` of the training data)."""
        values = images.detach().abs().flatten()
        step = max(1, values.numel() // 1_000_000)  # torch.quantile takes at most 16 million values
        top = torch.quantile(values[::step].double(), 0.999)
        if not (bool(torch.isfinite(top)) and float(top) > 0):
            raise InputError(
                f"expected measurements whose A_dagger y is finite and not zero, but its 99.9th percentile is "
                f"{float(top)}: check the units and the operator"
            )
        self.scale.fill_(float(top))

"""The learned primal-dual scheme: networks on images and networks on measurements in turn."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nullsight.constraints import Constraint
from nullsight.draws import Draws
from nullsight.physics.base import Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.reconstructors.problems import linear
from nullsight.reconstructors.unrolled import ANY_VALUE, check_stages, staged
from nullsight.types import Image, InputError, Measurement


class LearnedPrimalDual(Reconstructor):
    """``h <- dual_k(h, A u_1, y)``, ``u <- primal_k(u, A^T h_1)``, for as many k as networks; the image is ``u_1``.

    Adler, Oktem, "Learned primal-dual reconstruction", IEEE TMI 2018, algorithm 3. ``u`` holds ``memory`` images and h
    as many measurements, of which the first ones meet the operator (in the paper A takes the second image). A counts as
    ``A / |A|``, images in units of the data's intensity scale and measurements in those of ``|A|`` times it, so that no
    unit matters. ``u_1`` begins at ``A_dagger y`` (the paper: 0), all else at 0. Measurements are seen as grids: their
    last axes, as many as an image has in space, with all others as channels (coils and parts of k-space, one channel of
    a sinogram).

    Args:
        primal: one a step, ``(memory + 1) channels`` in and ``memory channels`` out, the channels being the image's;
            :func:`nullsight.networks.copies` makes them. Residual ones add to u, as the paper's do.
        dual: one a step, ``(memory + 2) channels`` in and ``memory channels`` out, the channels being the
            measurement's.
        memory: copies of image and measurement, >= 1; the paper has 5.
        constraint: what images may be; projected upon at the end.
        recompute: keep the memories alone, not what the networks compute, for the gradient, and compute it again.

    Raises:
        InputError: no network, not as many of either kind, one object given twice, memory below 1, or ``recompute``
            with a network that has batch statistics.

    Example:
        >>> from nullsight.networks import DnCNN, copies
        >>> primal = copies(DnCNN(3, width=8, depth=3, out_channels=2, seed=0), 4)
        >>> dual = copies(DnCNN(4, width=8, depth=3, out_channels=2, seed=9), 4)
        >>> f = LearnedPrimalDual(primal, dual, memory=2)
    """

    def __init__(
        self,
        primal: Sequence[nn.Module],
        dual: Sequence[nn.Module],
        *,
        memory: int = 5,
        constraint: Constraint = ANY_VALUE,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        if len(primal) != len(dual) or not primal or memory < 1:
            raise InputError(
                f"expected as many dual networks as primal ones, at least 1, and a memory of at least 1, but "
                f"{len(dual)}, {len(primal)} and {memory} came: correct them"
            )
        check_stages([*primal, *dual], recompute=recompute)
        self.memory, self.constraint, self.recompute = memory, constraint, recompute
        self.of_images, self.of_measurements = nn.ModuleList(primal), nn.ModuleList(dual)

    @property
    def primal(self) -> list[nn.Module]:
        """The networks on images, first to last."""
        return list(self.of_images)

    @property
    def dual(self) -> list[nn.Module]:
        """The networks on measurements, first to last."""
        return list(self.of_measurements)

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        operator, unit, norm = linear(physics), self.scale, physics.norm()
        first = (self.begin(y, physics) if start is None else start) / unit
        data = _grid(y, len(physics.image_shape) - 1) / (norm * unit)
        channels, lines = first.shape[1], data.shape[1]

        def stage(u: Tensor, h: Tensor, primal: nn.Module, dual: nn.Module) -> tuple[Tensor, Tensor]:
            seen = operator.A(u[:, :channels].contiguous()) / norm
            h = dual(torch.cat([h, seen.reshape(data.shape), data], 1)).to(u.dtype)
            back = operator.A_adjoint(h[:, :lines].reshape(y.shape)) / norm
            return primal(torch.cat([u, back], 1)).to(u.dtype), h

        u = torch.cat([first, first.new_zeros(len(y), channels * (self.memory - 1), *first.shape[2:])], 1)
        h = data.new_zeros(len(y), lines * self.memory, *data.shape[2:])
        for primal, dual in zip(self.primal, self.dual, strict=True):
            u, h = staged(stage, u, h, primal, dual, recompute=self.recompute)
        return self.constraint.project(unit * u[:, :channels])


def _grid(y: Measurement, axes: int) -> Tensor:
    """Return measurements as ``(batch, lines, *last axes)``; InputError where they have too few axes."""
    if y.ndim - 1 < axes:
        raise InputError(
            f"expected measurements with at least {axes} axes, on which networks of images can work, but those of "
            f"shape {tuple(y.shape[1:])} came: take Unrolled"
        )
    return y.reshape(len(y), -1, *y.shape[y.ndim - axes :])

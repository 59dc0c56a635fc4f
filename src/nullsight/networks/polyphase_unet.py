"""A U-Net that follows every cyclic shift of the image exactly, and turns and reflections where it is asked to."""

import torch
from torch import Tensor, nn

from nullsight.groups.base import FiniteGroup, Trivial
from nullsight.networks.borders import CIRCULAR_BORDER
from nullsight.networks.expanding import EquivariantNetwork
from nullsight.networks.fields import FieldNorm
from nullsight.networks.group_conv import GroupConvolution, Lifting, Projection
from nullsight.networks.layers import (
    NEAR_ZERO,
    add_input,
    check_channels,
    check_layout,
    check_outputs,
    draw_weights,
    quietly,
    shrink,
)
from nullsight.networks.norms import NO_NORM, Norm
from nullsight.networks.polyphase import double, halve, largest_phase, phase_energies, phase_gap
from nullsight.types import Image, InputError


class PolyphaseUNet(EquivariantNetwork):
    """A U-Net on cyclic images with adaptive polyphase sampling: ``f(T_s x) = T_s f(x)`` for shifts by whole pixels.

    Going down keeps the polyphase component of largest norm, anti-aliased; going up puts it where it was. After Chaman,
    Dokmanic, CVPR 2021 and Asilomar 2021. With a ``group`` of turns and reflections all convolutions are group
    convolutions, and the network follows these as well, exactly. ``order * width`` channels at the largest scale, twice
    as many at each smaller one; otherwise as :class:`UNet`, whose convolution on the way up is done here before the
    size doubles. Norms have no statistics of single pixels, so any keeps the property.

    Exact to rounding (float32: 5e-6, float64: 1e-13, relative) unless two components tie: what rounding decides may be
    decided otherwise after a shift. :meth:`phase_gap` tells; above 1e-5 in float32 and 1e-13 in float64 there is no
    danger. Images with a symmetry of their own, of period two pixels, say, may tie.

    Args:
        channels: of the input images.
        width: regular fields of the finest scale; every coarser scale has twice as many.
        depth: number of scales, >= 1.
        group: only moves pixels, about the centre; ``Dihedral(4)`` for turns and reflections.
        seed: of the weights.
        out_channels: of the output (at most ``channels``; it is added to the first of them); None means ``channels``.
        norm: what follows each convolution but the last.

    Raises:
        InputError: numbers that describe no network; later, images whose sides ``2^(depth - 1)`` does not divide:
            nothing can be padded to a cyclic image without breaking its shifts.

    Example:
        >>> network, x = PolyphaseUNet(1, width=4, depth=2, seed=0), torch.rand(1, 1, 8, 6)
        >>> torch.allclose(network(x.roll((3, 1), (2, 3))), network(x).roll((3, 1), (2, 3)), atol=1e-5)
        True
    """

    def __init__(
        self,
        channels: int,
        width: int = 64,
        depth: int = 4,
        *,
        group: FiniteGroup = Trivial(),  # noqa: B008 (a value)
        seed: int = 0,
        out_channels: int | None = None,
        norm: Norm = NO_NORM,
    ) -> None:
        super().__init__()
        check_layout(channels, width, depth, 1, 2)
        outputs = check_outputs(channels, out_channels)
        self.channels, self.width, self.depth, self.group, self.seed = channels, width, depth, group, seed
        self.out_channels, self.norm = out_channels, norm
        widths = [width * 2**k for k in range(depth)]
        with quietly():
            first = Lifting(channels, width, group, bias=norm.bias, border=CIRCULAR_BORDER)
            self.down = nn.ModuleList([nn.Sequential(*self._then(first), *self._step(width, width))])
            self.down.extend(self._block(w // 2, w) for w in widths[1:])
            self.up = nn.ModuleList(nn.Sequential(*self._step(2 * w, w)) for w in reversed(widths[:-1]))
            self.merge = nn.ModuleList(self._block(2 * w, w) for w in reversed(widths[:-1]))
            self.last = Projection(width, outputs, group, kernel=1, bias=not norm.homogeneous, border=CIRCULAR_BORDER)
        self._draw()

    def forward(self, x: Image) -> Image:
        """Return the image of the same size, ``(batch, out_channels, height, width)``."""
        return self._run(x)[0]

    def phase_gap(self, x: Image) -> Tensor:
        """Return how far every image is from a tie: the smallest relative gap of energies of all scales, ``(batch,)``.

        1 where there is a single scale.
        """
        with torch.no_grad():
            gaps = [phase_gap(energies) for energies in self._run(x)[1]]
        return torch.stack([x.new_ones(len(x), dtype=torch.float64), *gaps]).amin(0)

    def _run(self, x: Image) -> tuple[Image, list[Tensor]]:
        """Return the image and the energies of the components at every scale but the smallest."""
        check_channels(x, self.channels, 2)
        self._check_sides(x)
        h, skips, phases, energies = x, [], [], []
        for k, block in enumerate(self.down):
            if k > 0:
                energies.append(phase_energies(h))
                phases.append(largest_phase(energies[-1]))
                h = halve(h, phases[-1])
            h = block(h)
            skips.append(h)
        for up, merge, skip, phase in zip(self.up, self.merge, reversed(skips[:-1]), reversed(phases), strict=True):
            h = merge(torch.cat([skip, double(up(h), phase)], 1))
        return add_input(x, self.last(h)), energies

    def _check_sides(self, x: Image) -> None:
        multiple = 2 ** (self.depth - 1)
        if any(side % multiple for side in x.shape[2:]):
            raise InputError(
                f"expected sides that are multiples of {multiple}, as {self.depth} scales need them, but "
                f"{tuple(x.shape[2:])} came: choose a smaller depth, or UNet, which pads images and follows no shift "
                f"exactly"
            )

    def _block(self, width: int, out_width: int) -> nn.Sequential:
        return nn.Sequential(*self._step(width, out_width), *self._step(out_width, out_width))

    def _step(self, width: int, out_width: int) -> list[nn.Module]:
        return self._then(GroupConvolution(width, out_width, self.group, bias=self.norm.bias, border=CIRCULAR_BORDER))

    def _then(self, layer: Lifting | GroupConvolution) -> list[nn.Module]:
        return [layer, FieldNorm(self.norm, layer.outputs), nn.ReLU()]

    def _draw(self) -> None:
        draw_weights(self, self.seed)
        shrink(self.last, NEAR_ZERO)

"""The same projector without stored weights: for geometries whose matrices would not fit in memory."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nullsight.physics.geometry import Geometry, Samples, ray_samples

# bytes at work for one interpolated sample: position and left entry in float64, index in int64, and at most six values
SAMPLE_BYTES = 8 + 8 + 8 + 6 * 8


def working_bytes(geometry: Geometry) -> int:
    """Return how many bytes one view takes at work, with the image and the sinogram, in float64, one channel."""
    side = max(geometry.height, geometry.width)
    samples = max(geometry.detectors * side, geometry.pixels)
    return SAMPLE_BYTES * samples + 8 * 3 * (geometry.pixels + geometry.rays)


@dataclass(frozen=True)
class _Neighbours:
    """Where a view's samples lie in a table with a margin, the share of the right neighbour, and what each counts."""

    left: Tensor
    right: Tensor
    share: Tensor
    factor: float | Tensor
    bins: slice | Tensor


_MARGIN = 2  # zeros around the table: a sample outside is moved there, one at the edge has a neighbour there


class OnTheFlyProjector(nn.Module):
    """Projection along rays and interpolation along views, with weights computed again at every use, view by view.

    The same weights as in :class:`~nullsight.physics.projector.SparseProjector`. The transposes scatter with the very
    weights with which the maps gather, so they are exact.

    Args:
        geometry: of rays and pixels.
    """

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry
        self.image = (geometry.height, geometry.width)
        self.sinogram = (len(geometry.angles), geometry.detectors)

    def project(self, x: Tensor) -> Tensor:
        """Return line integrals: ``(vectors, pixels)`` to ``(vectors, rays)``."""
        tables, pitch = _padded(x, self.image), self.image[1] + 2 * _MARGIN
        out = x.new_empty(len(x), *self.sinogram)
        for view in range(self.sinogram[0]):
            for samples in ray_samples(self.geometry, view, x.device, pitch):
                near = _neighbours(samples, _MARGIN * (pitch + 1), x.dtype)
                for table, image in zip(tables, out, strict=True):
                    image[view, near.bins] = _gather(table, near).sum(1) * near.factor
        return out.flatten(1)

    def project_adjoint(self, y: Tensor) -> Tensor:
        """Return the exact transpose of :meth:`project`."""
        tables, pitch = _padded(y.new_zeros(len(y), self.geometry.pixels), self.image), self.image[1] + 2 * _MARGIN
        rays = y.reshape(len(y), *self.sinogram)
        for view in range(self.sinogram[0]):
            for samples in ray_samples(self.geometry, view, y.device, pitch):
                near = _neighbours(samples, _MARGIN * (pitch + 1), y.dtype)
                for table, sinogram in zip(tables, rays, strict=True):
                    values = sinogram[view, near.bins] * near.factor
                    _scatter(table, near, values[:, None].expand(near.share.shape))
        return _cropped(tables, self.image)

    def smear(self, y: Tensor) -> Tensor:
        """Sum over views each pixel's interpolated value: ``(vectors, rays)`` to ``(vectors, pixels)``."""
        tables = _padded(y, self.sinogram)
        out = y.new_zeros(len(y), self.geometry.pixels)
        for view in range(self.sinogram[0]):
            near = self._in_view(view, y)
            for table, image in zip(tables, out, strict=True):
                image += _gather(table, near)[:, 0] * near.factor
        return out

    def smear_adjoint(self, x: Tensor) -> Tensor:
        """Return the exact transpose of :meth:`smear`."""
        tables = _padded(x.new_zeros(len(x), self.geometry.rays), self.sinogram)
        for view in range(self.sinogram[0]):
            near = self._in_view(view, x)
            for table, image in zip(tables, x, strict=True):
                _scatter(table, near, (image * near.factor)[:, None])
        return _cropped(tables, self.sinogram)

    def _in_view(self, view: int, like: Tensor) -> _Neighbours:
        width = self.geometry.detectors + 2 * _MARGIN
        samples = self.geometry.pixel_samples(view, like.device)
        return _neighbours(samples, (_MARGIN + view) * width + _MARGIN, like.dtype)


def _neighbours(samples: Samples, first: int, dtype: torch.dtype) -> _Neighbours:
    position = samples.positions.clamp_(-_MARGIN, samples.size)
    left = position.floor()
    rows = torch.arange(position.shape[1], device=position.device) * samples.stride + first
    index = left.long()
    if samples.step != 1:
        index *= samples.step
    index += rows
    factor = samples.factor if isinstance(samples.factor, float) else samples.factor[:, 0].to(dtype)
    return _Neighbours(index, index + samples.step, position.sub_(left).to(dtype), factor, samples.bins)


def _gather(table: Tensor, near: _Neighbours) -> Tensor:
    flat, shape = table.view(-1), near.share.shape
    left = flat.index_select(0, near.left.view(-1)).view(shape)
    right = flat.index_select(0, near.right.view(-1)).view(shape)
    return left.lerp_(right, near.share)


def _scatter(table: Tensor, near: _Neighbours, values: Tensor) -> None:
    flat, right = table.view(-1), values * near.share
    flat.scatter_add_(0, near.right.view(-1), right.view(-1))
    flat.scatter_add_(0, near.left.view(-1), (values - right).view(-1))


def _padded(vectors: Tensor, shape: tuple[int, int]) -> Tensor:
    return torch.nn.functional.pad(vectors.reshape(len(vectors), *shape), [_MARGIN] * 4)


def _cropped(tables: Tensor, shape: tuple[int, int]) -> Tensor:
    inner = slice(_MARGIN, -_MARGIN)
    return tables[:, inner, inner].reshape(len(tables), shape[0] * shape[1])

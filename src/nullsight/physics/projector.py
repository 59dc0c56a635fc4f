"""Projection and back-projection by weights that are stored."""

import torch
from scipy import sparse
from torch import Tensor, nn

from nullsight.physics.geometry import Geometry
from nullsight.physics.ray_matrices import RayMatrices
from nullsight.physics.sparse import SparsePair, interpolation_matrix


class SparseProjector(nn.Module):
    """Projection along rays and interpolation along views, each as a sparse matrix with its transpose.

    Args:
        geometry: of rays and pixels.
    """

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry
        dtype = torch.empty(0).numpy().dtype
        cpu, views = torch.device("cpu"), range(len(geometry.angles))
        self.rays = RayMatrices(geometry)
        pixels = [interpolation_matrix(geometry.pixel_samples(v, cpu), geometry.detectors, dtype) for v in views]
        self.views = SparsePair(sparse.hstack(pixels, format="csr"))

    def project(self, x: Tensor) -> Tensor:
        """Return line integrals: ``(vectors, pixels)`` to ``(vectors, rays)``."""
        out: Tensor = self.rays(x)
        return out

    def project_adjoint(self, y: Tensor) -> Tensor:
        """Return the exact transpose of :meth:`project`."""
        return self.rays.transposed(y)

    def smear(self, y: Tensor) -> Tensor:
        """Sum over views each pixel's interpolated value: ``(vectors, rays)`` to ``(vectors, pixels)``."""
        out: Tensor = self.views(y)
        return out

    def smear_adjoint(self, x: Tensor) -> Tensor:
        """Return the exact transpose of :meth:`smear`."""
        return self.views.transposed(x)

"""The weights of line integrals as sparse matrices, arranged so that a ray's pixels lie together in memory."""

import torch
from scipy import sparse
from torch import Tensor, nn

from nullsight.physics.geometry import Geometry, ray_samples
from nullsight.physics.sparse import Sparse, interpolation_matrix

# pixels of an image that a core's nearest caches hold, so that it does not matter where in it a ray's pixels lie:
# measured, one projection of 128 x 128 gains nothing, of 256 x 256 a third, of 512 x 512 two fifths or more
_SMALL = 2**15


class RayMatrices(nn.Module):
    """Line integrals and their exact transpose; in large images steep rays go through the transposed image.

    A steep ray takes two pixels of every row of the image, each pair from another place of the memory. In the
    transposed image these are two runs of pixels, as those of a flat ray are in the image itself.

    Args:
        geometry: of rays and pixels.
        small: up to so many pixels all rays go through the image as it is.
    """

    place: Tensor | None

    def __init__(self, geometry: Geometry, small: int = _SMALL) -> None:
        super().__init__()
        self.size = (geometry.height, geometry.width)
        cpu, bins, large = torch.device("cpu"), torch.arange(geometry.detectors), geometry.pixels > small
        dtype = torch.empty(0).numpy().dtype
        parts = [  # matrices at once: the places of all samples would take several times their memory
            (
                rays.steep and large,
                view * geometry.detectors + bins[part.bins],
                interpolation_matrix(part, geometry.pixels, dtype),
            )
            for view in range(len(geometry.angles))
            for rays, part in zip(
                geometry.lines(view, cpu), ray_samples(geometry, view, cpu, geometry.width), strict=True
            )
        ]
        parts.sort(key=lambda one: one[0])
        whole = sparse.vstack([matrix for *_, matrix in parts], format="csr")
        place = torch.cat([numbers for _, numbers, _ in parts]).argsort()
        ordered = whole[place.numpy()]
        self.columns = Sparse(ordered.T.tocsr())
        first = sum(len(numbers) for across, numbers, _ in parts if not across)
        steep = first < len(place)
        del parts
        self.register_buffer("place", place.to(torch.int32) if steep else None, persistent=False)
        self.along = Sparse(whole[:first] if steep else ordered)
        self.across = Sparse(_through_transposed(whole[first:], self.size)) if steep else None

    @property
    def weights(self) -> int:
        """How many weights there are, each stored twice."""
        return self.columns.weight.numel()

    def forward(self, x: Tensor) -> Tensor:
        """Return line integrals: ``(vectors, pixels)`` to ``(vectors, rays)``."""
        along: Tensor = self.along(x)
        if self.across is None or self.place is None:
            return along
        across = self.across(x.reshape(-1, *self.size).mT.flatten(1))
        return torch.cat([along, across], 1).index_select(1, self.place)

    def transposed(self, y: Tensor) -> Tensor:
        """Return the transpose: ``(vectors, rays)`` to ``(vectors, pixels)``."""
        out: Tensor = self.columns(y)
        return out


def _through_transposed(matrix: sparse.csr_matrix, size: tuple[int, int]) -> sparse.csr_matrix:
    """Return the matrix of the same map of the transposed image."""
    row, column = divmod(matrix.indices, size[1])
    index = (column * size[0] + row).astype(matrix.indices.dtype)
    return sparse.csr_matrix((matrix.data, index, matrix.indptr), shape=matrix.shape)

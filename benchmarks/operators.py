"""Parallel-beam projection, its adjoint and filtered back-projection beside DeepInverse's and scikit-image's.

Run: ``python benchmarks/operators.py [--sizes 128 256 512]``. Before anything is timed, both sides project one smooth
image, and the difference is printed: the ratio is honest only where both compute the same thing.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import skimage
import torch
from common.peer import Peer, PeerError, peer_or_none
from common.record import Row, Section, arguments, record
from common.timing import alternate, one_core, repeated
from skimage.transform import iradon, radon
from torch import Tensor

from nullsight.physics import ParallelBeamCT

VIEWS = 50
BATCHES = (2, 8)
DEEPINVERSE, SKIMAGE = "DeepInverse", "scikit-image"
AIMS = {DEEPINVERSE: {"A": 6, "A^T": 20, "FBP": 8}, SKIMAGE: {"A": 20, "FBP": 5}}
COMPARED = f"""{VIEWS} equispaced views over 180 degrees, a detector over the diagonal, no circle, float32. Of
DeepInverse: the operator with its default, the exact adjoint by automatic differentiation, and its `fbp`; of
scikit-image, which has no adjoint: `radon` and `iradon` (ramp). All three use the same angles, bins and units."""


def smooth(size: int) -> Tensor:
    """Return two soft spots, off the centre, that end well inside the image."""
    at = (torch.arange(size) - (size - 1) / 2) / size

    def spot(column: float, row: float, width: float) -> Tensor:
        return torch.exp(-((at - column) ** 2 + (at[:, None] - row) ** 2) / (2 * width**2))

    return spot(0.1, -0.2, 0.06) + 0.5 * spot(-0.15, 0.1, 0.05)


def gap(found: Tensor, reference: Tensor) -> float:
    """Return the relative difference in percent."""
    return 100 * float((found - reference).norm() / reference.norm())


class Bench:
    """Our operator of one size beside the others."""

    def __init__(self, size: int, peer: Peer | None, seconds: float, rounds: int) -> None:
        self.size, self.peer, self.seconds, self.rounds = size, peer, seconds, rounds
        self.physics = ParallelBeamCT((1, size, size), VIEWS)
        self.image = smooth(size)
        self.y = self.physics.A(self.image[None, None])

    def beside_deepinverse(self) -> tuple[list[str], list[Row]]:
        """Return how far the others are from ours, and the rows of all batches; PeerError where the peer fails."""
        return self.agreement(), [row for batch in BATCHES for row in self.against_deepinverse(batch)]

    def agreement(self) -> list[str]:
        """Return how far the others' projections and images of a smooth image are from ours, a sentence each."""
        pairs = {}
        if self.peer is not None:
            answer = self.peer.ask("operator", size=self.size, views=VIEWS, image=self.image.tolist())
            pairs[DEEPINVERSE] = (torch.tensor(answer["y"]), torch.tensor(answer["x"]))
        theta = np.asarray(self.physics.angles)
        sinogram = radon(self.image.numpy(), theta, circle=False)
        image = iradon(sinogram, theta, circle=False, output_size=self.size)
        pairs[SKIMAGE] = (torch.from_numpy(sinogram.T), torch.from_numpy(image))
        ours = self.y[0, 0], self.physics.A_dagger(self.y)[0, 0]
        return [
            f"{self.size}x{self.size}, a smooth image: {name}'s projections are {gap(y, ours[0]):.2g} % from ours, "
            f"its back-projected image from the true one by {gap(x, self.image):.2g} % (ours by "
            f"{gap(ours[1], self.image):.2g} %)"
            for name, (y, x) in pairs.items()
        ]

    def against_deepinverse(self, batch: int) -> list[Row]:
        """Return the rows of a batch; without the peer, our times alone."""
        x = torch.rand(batch, 1, self.size, self.size, generator=torch.Generator().manual_seed(0))
        y = self.physics.A(x)
        works = {
            "A": lambda: self.physics.A(x),
            "A^T": lambda: self.physics.A_adjoint(y),
            "FBP": lambda: self.physics.A_dagger(y),
        }
        peer = self.peer
        if peer is not None:
            peer.ask("batch", size=self.size, batch=batch)
        rows = []
        for name, work in works.items():
            theirs = None if peer is None else partial(peer.ask, "time", what=name, seconds=self.seconds, least=3)
            rows.append(self._row(name, batch, work, theirs, DEEPINVERSE))
        return rows

    def against_skimage(self) -> list[Row]:
        """Return the rows of one image."""
        x, image, theta = self.image[None, None], self.image.numpy(), np.asarray(self.physics.angles)
        sinogram = radon(image, theta, circle=False)
        pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "A": (lambda: self.physics.A(x), lambda: radon(image, theta, circle=False)),
            "FBP": (
                lambda: self.physics.A_dagger(self.y),
                lambda: iradon(sinogram, theta, circle=False, output_size=self.size),
            ),
        }
        return [
            self._row(name, 1, ours, partial(repeated, theirs, self.seconds), SKIMAGE)
            for name, (ours, theirs) in pairs.items()
        ]

    def _row(
        self,
        name: str,
        batch: int,
        ours: Callable[[], object],
        theirs: Callable[[], list[float]] | None,
        against: str,
    ) -> Row:
        works = [lambda: repeated(ours, self.seconds), *([] if theirs is None else [theirs])]
        times = alternate(works, self.rounds)
        case = f"{name}, {self.size}x{self.size}, batch {batch}"
        if theirs is None:
            return Row(case, times[0])
        return Row(case, times[0], times[1], against, AIMS[against][name])


def main(words: list[str] | None = None) -> None:
    options = arguments(__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512])
    chosen = options.parse_args(words)
    one_core()
    peer = None if chosen.alone else peer_or_none()
    rows: list[Row] = []
    notes: list[str] = []
    with torch.no_grad():
        for size in chosen.sizes:
            bench = Bench(size, peer, chosen.seconds, chosen.rounds)
            try:
                said, found = bench.beside_deepinverse()
            except PeerError as error:
                print(error)
                bench.peer = peer = None
                said, found = bench.beside_deepinverse()
            notes += said
            rows += [*found, *bench.against_skimage()]
    if peer is not None:
        peer.close()
    versions = {"scikit-image": skimage.__version__, **({} if peer is None else peer.versions)}
    record(chosen.results, "operators", Section("Operators of tomography", COMPARED, rows, notes), versions)


if __name__ == "__main__":
    main()

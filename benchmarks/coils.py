"""Several coils and their adjoint beside the bare Fourier transforms of as many images.

Run: ``python benchmarks/coils.py [--sizes 256] [--coils 8]``. No operator can be quicker than its transforms; what is
above them are sensitivities, mask and centring. Before anything is timed, the adjoint is checked.
"""

from functools import partial

import torch
from common.record import Row, Section, arguments, record
from common.timing import alternate, one_core, repeated

from nullsight.contracts.physics import assert_adjoint
from nullsight.physics import MultiCoilMRI, cartesian_mask, gaussian_matrix, normalised

FFT = "the FFTs alone"
AIM = 1 / 1.3  # the transforms' time over ours
BATCHES = (1, 4)
COMPARED = """Random sensitivities of a sum of squares of 1, a third of the lines measured, float32. The other side
are the transforms alone, `torch.fft.fft2` (A) and `ifft2` (A^T) of complex images of the same number and size,
neither centred nor masked."""


def rows(size: int, coils: int, batch: int, seconds: float, rounds: int) -> tuple[list[Row], str]:
    """Return the rows of one size and the adjoint mismatch as a sentence."""
    shape = (2, size, size)
    maps = normalised(gaussian_matrix(coils, 2 * size * size, seed=0).reshape(coils, *shape))
    physics = MultiCoilMRI(shape, maps, cartesian_mask((size, size), 3.0, 0.08, seed=0))
    x = torch.rand(batch, *shape, generator=torch.Generator().manual_seed(0))
    y = physics.A(x)
    images = torch.rand(batch, coils, size, size, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    works = {
        "A": (lambda: physics.A(x), lambda: torch.fft.fft2(images, norm="ortho")),
        "A^T": (lambda: physics.A_adjoint(y), lambda: torch.fft.ifft2(images, norm="ortho")),
    }
    found = []
    for name, sides in works.items():
        ours, bare = alternate([partial(repeated, side, seconds) for side in sides], rounds)
        found.append(Row(f"{name}, {coils} coils, {size}x{size}, batch {batch}", ours, bare, FFT, AIM))
    gap = assert_adjoint(physics, dtype=torch.float32)
    return found, f"{coils} coils, {size}x{size}: adjoint mismatch {gap:.1g}"


def main(words: list[str] | None = None) -> None:
    options = arguments(__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=[256])
    options.add_argument("--coils", type=int, default=8)
    chosen = options.parse_args(words)
    one_core()
    table: list[Row] = []
    notes: list[str] = []
    with torch.no_grad():
        for size in chosen.sizes:
            for batch in BATCHES:
                found, note = rows(size, chosen.coils, batch, chosen.seconds, chosen.rounds)
                table += found
            notes.append(note)
    record(chosen.results, "coils", Section("Several coils", COMPARED, table, notes), {})


if __name__ == "__main__":
    main()

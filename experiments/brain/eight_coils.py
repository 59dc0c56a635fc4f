"""A brain by eight coils, an eighth of k-space measured: sensitivities from its middle, then two images of it.

Run it with ``python experiments/brain/eight_coils.py [KSPACE.npy] [PICTURE.png]``. It takes the k-space of the folder
NULLSIGHT_DATA (``brain_8ch_kspace.npy``, complex ``(coils, height, width)``, zeros where nothing was measured) and
writes a picture: root sum of squares of the zero-filled coils, least squares by conjugate gradients (CG-SENSE), total
variation, and below them the sensitivities. There is no truth to compare with. How many iterations and how much
smoothing is chosen by the error on a tenth of the measured frequencies, which is held out (those outside of the
calibration region); then all are used.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import nullsight as ns
from nullsight.assemble import place
from nullsight.physics import MultiCoilMRI, bernoulli_mask, espirit, sampled_mask
from nullsight.physics.mri import inverse_fourier

CALIBRATION = 24  # side of the fully sampled square of this file, in samples
ITERATIONS = (3, 5, 10, 20, 40)
WEIGHTS = (0.001, 0.003, 0.01, 0.03)  # of total variation against the data, in units of a bright pixel
STEPS = 300  # of total variation, at most

Method = Callable[[MultiCoilMRI, Tensor], Tensor]


def least_squares(iterations: int) -> Method:
    """Return CG-SENSE with so many iterations."""
    return lambda physics, y: MultiCoilMRI(physics.image_shape, physics.maps, physics.mask, iterations).A_dagger(y)


def total_variation(weight: float) -> Method:
    """Return total variation of complex images, real and imaginary part with common edges."""
    parts = ns.reconstructors
    f = parts.TotalVariation(
        parts.Penalised(weight), ns.constraints.AnyValue(), coupling=parts.Joint(), iterations=STEPS
    )
    return lambda physics, y: f(y, physics)


def held_out(mask: Tensor, calibration: int) -> Tensor:
    """Return which frequencies are kept for choosing, bool ``(height, width)``: a tenth, none of the middle."""
    height, width = mask.shape
    top, left = height // 2 - calibration // 2, width // 2 - calibration // 2
    kept = ~bernoulli_mask((height, width), 0.9, seed=0) & mask
    kept[top : top + calibration, left : left + calibration] = False
    return kept


def main(kspace: Path, picture: Path, *, calibration: int = CALIBRATION) -> dict[str, float]:
    """Write the picture; return the error of every method on the frequencies that were held out.

    Raises:
        InputError: no such file, another shape, or too few frequencies to hold some out.
    """
    y = ns.data.read_array(kspace).values
    mask = sampled_mask(y)
    shape = (2, *mask.shape)
    maps = espirit(y, calibration)
    whole = MultiCoilMRI(shape, maps, mask)
    inside = float((maps != 0).any(0).any(0).float().mean())
    print(f"{len(y)} coils, {float(mask.float().mean()):.1%} of {mask.shape[0]} x {mask.shape[1]} frequencies measured")
    print(f"sensitivities in {inside:.0%} of the pixels, norm of A {whole.norm():.3f}")

    kept = held_out(mask, calibration)
    if not bool(kept.any()):
        raise ns.InputError(f"expected measured frequencies outside of the middle of {kspace}, but none came")
    rest, judge = MultiCoilMRI(shape, maps, mask & ~kept), MultiCoilMRI(shape, maps, kept)
    seen, unseen = torch.where(mask & ~kept, y, 0)[None], torch.where(kept, y, 0)[None]
    methods = {f"least squares, {n} iterations": least_squares(n) for n in ITERATIONS}
    methods |= {f"total variation, weight {weight:g}": total_variation(weight) for weight in WEIGHTS}
    errors = {}
    for name, method in methods.items():
        errors[name] = float((judge.A(method(rest, seen)) - unseen).norm() / unseen.norm())
        print(f"{name:36} |A x - y| / |y| on {int(kept.sum())} held-out frequencies: {errors[name]:.3f}", flush=True)

    images = [inverse_fourier(y).square().sum((0, 1)).sqrt()[None]]
    for kind in ("least squares", "total variation"):
        best = min((name for name in methods if name.startswith(kind)), key=lambda name: errors[name])
        x = methods[best](whole, y[None])
        residual = float((whole.A(x) - y[None]).norm() / y.norm())
        print(f"{best}: residual of all frequencies {residual:.3f}")
        images.append(x[0].norm(dim=0, keepdim=True))
    shown = [image / torch.quantile(image, 0.995) for image in images]
    coils = [one.norm(dim=0, keepdim=True) for one in maps]
    half = (len(coils) + 1) // 2
    picture.parent.mkdir(parents=True, exist_ok=True)
    rows = [shown, coils[:half], coils[half:]]
    picture.write_bytes(ns.data.to_png(ns.data.montage(rows), (0.0, 1.0)))
    print(f"wrote {picture}")
    return errors


if __name__ == "__main__":
    try:
        given = [Path(word) for word in sys.argv[1:]]
        source = given[0] if given else place("$NULLSIGHT_DATA/brain_8ch_kspace.npy", Path())
        main(source, given[1] if len(given) > 1 else Path("runs/brain/eight_coils.png"))
    except ns.InputError as error:
        sys.exit(str(error))

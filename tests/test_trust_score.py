"""The score ranks reconstructors as their true errors do, where the true errors are known."""

import pytest
import torch
from torch import Tensor

import nullsight as ns
from nullsight.draws import Draws
from nullsight.metrics import psnr, reference_peak
from nullsight.noise.base import Noise
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.trust import Candidate, rank

P, N, G = ns.physics, ns.noise, ns.groups
SIDE = 12
SHIFTS = G.Shifts((SIDE, SIDE))
MASK = P.Inpainting((1, SIDE, SIDE), P.bernoulli_mask((SIDE, SIDE), 0.5, seed=0)).double()


def waves() -> Tensor:
    """Return the images of the 25 lowest frequencies, ``(pixels, 25)``: a shift leaves their span as it is."""
    grid = torch.arange(SIDE, dtype=torch.float64) * 2 * torch.pi / SIDE
    one = torch.stack([torch.ones(SIDE), *[f(k * grid) for k in (1, 2) for f in (torch.cos, torch.sin)]])
    return torch.einsum("ai,bj->ijab", one.double(), one.double()).reshape(SIDE * SIDE, 25)


BASIS = waves()


def images(count: int = 6) -> Tensor:
    weights = Draws(3, 0, tuple(range(count))).of("weights").normal((25,))
    return (weights @ BASIS.T).reshape(count, 1, SIDE, SIDE) + 8


def oracle(y: Tensor, physics: Physics) -> Tensor:
    """Return the image of the span that fits best: the true one where there is no noise."""
    assert isinstance(physics, LinearPhysics)
    rows = []
    for number, row in enumerate(y):
        dense = physics.to_matrix()
        A = dense[number] if dense.ndim == 3 else dense
        rows.append(BASIS @ torch.linalg.lstsq(A @ BASIS, row.flatten()[:, None]).solution)
    return torch.stack(rows).reshape(-1, 1, SIDE, SIDE)


PATTERN = Draws(4, 0, (0,)).of("error").normal((1, SIDE, SIDE))


def with_null_error(size: float) -> Candidate:
    def f(y: Tensor, physics: Physics) -> Tensor:
        assert isinstance(physics, LinearPhysics)
        x = oracle(y, physics)
        return x + size * physics.project_null(PATTERN.expand_as(x))

    return Candidate(f"null {size}", f, MASK)


def with_shrunk_null(share: float) -> Candidate:
    """Return one that is too dark where nothing is measured, as a network that has not learned to fill in."""

    def f(y: Tensor, physics: Physics) -> Tensor:
        assert isinstance(physics, LinearPhysics)
        x = oracle(y, physics)
        return x - share * physics.project_null(x)

    return Candidate(f"shrunk {share}", f, MASK)


def with_measured_error(size: float) -> Candidate:
    def f(y: Tensor, physics: Physics) -> Tensor:
        assert isinstance(physics, LinearPhysics)
        x = oracle(y, physics)
        return x + size * physics.project_range(PATTERN.expand_as(x))

    return Candidate(f"measured {size}", f, MASK)


def truly(candidate: Candidate, y: Tensor, x: Tensor) -> float:
    return float(psnr(candidate.reconstruct(y, MASK), x, data_range=reference_peak(x)).mean())


@pytest.mark.parametrize("noise", [N.Noiseless(), N.Gaussian(0.3)], ids=["noiseless", "noisy"])
def test_the_order_is_that_of_the_true_errors(noise: Noise) -> None:
    x = images()
    y = noise.observe(MASK.A(x), MASK.measured, Draws(0, 0, tuple(range(6))).of("noise"))
    listed = [
        with_null_error(3.0), with_shrunk_null(0.5), with_null_error(0.0), with_measured_error(1.5),
        with_shrunk_null(1.0), with_null_error(1.0),
    ]  # fmt: skip
    true = {one.name: truly(one, y, x) for one in listed}
    found = rank(listed, y, noise, SHIFTS)
    assert found.best == "null 0.0"
    order = [one.name for one in found.scores]
    assert order == sorted(true, key=lambda name: -true[name]), {one.name: one.psnr for one in found.scores}
    last = [one for one in found.scores if one.name in ("null 1.0", "null 3.0", "shrunk 1.0")]
    for one in last:  # large errors are also predicted well as numbers
        assert one.psnr == pytest.approx(true[one.name], abs=2.5)


def test_parts_of_the_error_are_told_apart() -> None:
    y = MASK.A(images())
    right = [with_null_error(0.0), with_shrunk_null(0.0), with_measured_error(0.0)]
    listed = [with_null_error(2.0), with_measured_error(2.0), *right]
    found = {one.name: one for one in rank(listed, y, N.Noiseless(), SHIFTS, rounds=3).scores}
    null, measured = found["null 2.0"], found["measured 2.0"]
    assert null.measured > null.hidden + 10 and null.psnr == pytest.approx(null.hidden, abs=0.5)
    assert measured.hidden > measured.measured + 10 and measured.psnr == pytest.approx(measured.measured, abs=0.5)


def test_a_smooth_reconstructor_is_not_rewarded_for_the_smooth_images_it_makes() -> None:
    y = MASK.A(images())

    def flat(y: Tensor, physics: Physics) -> Tensor:
        assert physics.measured is not None
        means = y.sum((1, 2, 3)) / physics.measured.sum((1, 2, 3))
        return means.reshape(-1, 1, 1, 1).expand(y.shape).clone()

    smooth = Candidate("smooth", flat, MASK)
    own = rank([smooth], y, N.Noiseless(), SHIFTS).scores[0]
    common = rank([smooth, with_null_error(0.5)], y, N.Noiseless(), SHIFTS)
    assert common.best == "null 0.5"
    again = next(one for one in common.scores if one.name == "smooth")
    assert again.psnr < own.psnr - 5, "on images that are not its own it cannot flatter itself"


def test_a_table_and_json_with_the_parts() -> None:
    found = rank([with_null_error(1.0), with_null_error(0.0)], MASK.A(images(2)), N.Noiseless(), SHIFTS, rounds=1)
    assert found.lines()[1].startswith("null 0.0") and "left-out error" in found.lines()[0]
    plain = found.to_json()
    assert plain["best"] == "null 0.0" and plain["images"] == 2 and len(plain["scores"]) == 2
    assert plain["scores"][0]["psnr"] <= 120


def test_an_operator_that_cannot_leave_out_entries_is_judged_without() -> None:
    class Half:
        def A(self, x: Tensor) -> Tensor:
            return x / 2

        def A_dagger(self, y: Tensor) -> Tensor:
            return 2 * y

    physics = P.Foreign(Half(), (1, 4, 4), (1, 4, 4))
    good = Candidate("good", lambda y, A: A.A_dagger(y), physics)
    bad = Candidate("bad", lambda y, A: A.A_dagger(y) + 0.1, physics)
    y = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    found = rank([bad, good], y, N.Noiseless(), G.QuarterTurns())
    assert found.best == "good" and found.to_json()["scores"][0]["held_out"] is None


def test_what_cannot_be_ranked_is_refused() -> None:
    one = with_null_error(1.0)
    for listed in ([], [one, one]):
        with pytest.raises(ns.InputError, match="different names"):
            rank(listed, MASK.A(images(1)), N.Noiseless())
    with pytest.raises(ns.InputError, match="round"):
        rank([one], MASK.A(images(1)), N.Noiseless(), rounds=0)

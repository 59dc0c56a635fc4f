"""Left-out measurements, repeated measurement, and all checks together."""

import json

import pytest
import torch
from torch import Tensor

import nullsight as ns
from nullsight.draws import Draws
from nullsight.physics.base import Physics
from nullsight.trust import cycles, default_split, examine, held_out_error

P, N, G = ns.physics, ns.noise, ns.groups
SHAPE = (1, 16, 16)
MASK = P.Inpainting(SHAPE, P.bernoulli_mask((16, 16), 0.6, seed=0))
WHOLE = P.Inpainting(SHAPE, torch.ones(16, 16))


def images(count: int = 8) -> Tensor:
    return 1 + Draws(0, 0, tuple(range(count))).of("images").uniform(SHAPE)


def noise_of(count: int) -> Tensor:
    return Draws(1, 0, tuple(range(count))).of("noise").normal(SHAPE)


def zero_filled(y: Tensor, physics: Physics) -> Tensor:
    return y


def test_the_true_image_is_off_by_the_noise_alone() -> None:
    x = images()
    y = MASK.A(x + 0.1 * noise_of(8))
    found = held_out_error(lambda y, physics: x, y, MASK, N.Gaussian(0.1), times=4)
    assert found.sigmas == pytest.approx(1, abs=4 / (2 * found.entries) ** 0.5)
    assert found.share == pytest.approx(0.1, abs=0.03)
    more = held_out_error(lambda y, physics: x + 0.2, y, MASK, N.Gaussian(0.1), times=4)
    assert more.sigmas is not None and more.sigmas == pytest.approx(5**0.5, abs=0.3), "noise and error add in squares"
    assert "1 for the true image" in more.lines()[0]


def test_what_is_hidden_is_not_shown() -> None:
    y = MASK.A(images())
    found = held_out_error(zero_filled, y, MASK, N.Noiseless())
    assert found.relative == 1.0 and found.sigmas is None, "zeros are predicted where nothing is shown"
    assert found.squared == pytest.approx(float(y[y > 0].square().mean()), rel=0.1)
    seen: list[Tensor] = []

    def spy(shown: Tensor, physics: Physics) -> Tensor:
        assert physics.measured is not None and bool((shown[~physics.measured] == 0).all())
        seen.append(physics.measured)
        return shown

    held_out_error(spy, y, MASK, N.Noiseless(), times=3, seed=5)
    assert len(seen) == 3 and not torch.equal(seen[0], seen[1])
    again: list[Tensor] = []
    held_out_error(lambda v, A: (again.append(A.measured), v)[1], y, MASK, N.Noiseless(), times=3, seed=5)
    assert all(torch.equal(one, other) for one, other in zip(seen, again, strict=True))


def test_views_are_left_out_of_tomography_and_entries_elsewhere() -> None:
    ct = P.ParallelBeamCT((1, 8, 8), 10)
    for physics in (ct, P.LeastSquares(ct), P.Transmission(ct, 1e4, 0.05)):
        assert default_split(physics) == P.RandomLines(0.9, axis=1)
    assert default_split(MASK) == P.RandomEntries(0.9)
    y = ct.A(torch.ones(2, 1, 8, 8))
    assert held_out_error(lambda v, A: torch.ones(2, 1, 8, 8), y, ct, N.Noiseless()).relative < 1e-5


def test_a_perfect_reconstructor_of_a_symmetric_chain_has_no_error() -> None:
    found = cycles(zero_filled, images(3), WHOLE, N.Noiseless(), G.Dihedral(4))
    assert (found.equivariance, found.fixed_point, found.repeated) == (0, 0, 0)


def test_errors_of_cycles_are_those_of_their_formulas() -> None:
    ramp = torch.linspace(0, 1, 16).expand(1, 1, 16, 16)
    x, group = images(3), G.Reflections(("horizontal",))
    drawn = {seed: group.sample(Draws(seed, 0, (0, 1, 2)).repeat(2).of("cycle")) for seed in range(9)}
    seed, g = next((seed, g) for seed, g in drawn.items() if 0 < int(g.sum()) < 6)
    found = cycles(lambda y, A: y + ramp, x, WHOLE, N.Noiseless(), group, seed=seed)
    x2 = group.act(g, x.repeat(2, 1, 1, 1))
    turned = group.act(g, (x + ramp).repeat(2, 1, 1, 1))
    assert found.equivariance == pytest.approx(float((x2 + ramp - turned).norm() / turned.norm()), rel=1e-5)
    assert found.fixed_point == pytest.approx(float(ramp.expand_as(x2).norm() / x2.norm()), rel=1e-5)
    assert found.repeated == pytest.approx(float(ramp.expand_as(x).norm() / x.norm()), rel=1e-5)


def test_fresh_noise_is_added_to_what_is_measured_again() -> None:
    x = images()
    found = cycles(zero_filled, x, WHOLE, N.Gaussian(0.1))
    for value, part in ((found.repeated, 1), (found.fixed_point, 1), (found.equivariance, 2)):
        assert value == pytest.approx(0.1 * (part * x.numel()) ** 0.5 / float(x.norm()), rel=0.05)


def test_all_findings_with_words_and_json() -> None:
    x = images()
    y = MASK.A(x + 0.1 * noise_of(8))
    found = examine(lambda y, A: y, y, MASK, N.Gaussian(0.1), G.Shifts((16, 16)))
    assert found.code == 0, "all noise is fitted, which is allowed"
    assert found.shares == pytest.approx((1, 0, 0))
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["residuals"]["discrepancy"] == 0 and plain["held_out"]["relative"] == 1
    assert str(found).startswith(found.summary) and "as near to the measurements" in found.summary
    truth = examine(lambda y, A: x.repeat(len(y) // 8, 1, 1, 1), y, MASK, N.Gaussian(0.1), G.Trivial())
    assert truth.code == 0 and truth.checks.residuals.discrepancy == pytest.approx(1, abs=0.1)
    assert truth.shares[0] + truth.shares[2] == pytest.approx(1) and truth.shares[2] == pytest.approx(0.4, abs=0.05)
    off = examine(lambda y, A: y + 1, y, MASK, N.Gaussian(0.1))
    assert off.code == 1 and "further from the measurements" in off.summary
    exact, wide = (examine(lambda y, A, c=c: c * y, MASK.A(x), MASK, N.Noiseless()) for c in (1.0, 1.12))
    assert exact.code == 0 and "not explained" not in exact.summary
    assert wide.code == wide.to_json()["code"] == 1 and "12 % off the measurements, which is not" in wide.summary


def test_operators_of_all_kinds_can_be_examined() -> None:
    foreign = P.Foreign(_Square(), (1, 4, 4), (1, 4, 4))
    x = 1 + torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    found = examine(lambda y, A: A.A_dagger(y), foreign.A(x), foreign, N.Noiseless(), G.ColourInversion())
    assert found.checks.held_out is None and "no measurements were left out" in found.checks.notes[0]
    assert found.group == "nothing but the identity" and found.shares[0] == pytest.approx(1, abs=1e-4)
    masks = torch.stack([P.bernoulli_mask((1, 8, 8), 0.6, seed=s) for s in range(3)])
    several = P.Inpainting((1, 8, 8), masks)
    y = several.A(torch.ones(3, 1, 8, 8))
    found = examine(lambda y, A: A.A_dagger(y), y, several, N.Noiseless(), G.QuarterTurns())
    assert found.parts.shares.shape == (3, 3) and found.checks.residuals.relative == 0
    assert found.checks.held_out is not None and found.checks.held_out.relative == 1


class _Square:
    def A(self, x: Tensor) -> Tensor:
        return x**2

    def A_dagger(self, y: Tensor) -> Tensor:
        return y.clamp_min(0).sqrt()

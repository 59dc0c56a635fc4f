"""What a diagnosis has to know of operators and noise: several of them, detectors, thresholds, what it draws."""

import pytest
import torch
from torch import Tensor

import nullsight as ns
from nullsight.diagnosis.build import average, matrix
from tests.test_diagnosis_spectra import LISTED, dense_mean

G, P = ns.groups, ns.physics
NOTHING, HOLDS, PARTLY = ns.diagnosis.Verdict.NOTHING, ns.diagnosis.Verdict.HOLDS, ns.diagnosis.Verdict.PARTLY


def mask(*shape: int, seed: int = 3) -> Tensor:
    return P.bernoulli_mask(shape, 0.4, seed=seed)


def combs(length: int, period: int) -> Tensor:
    """Return the masks of every period-th sample, one for each offset."""
    return torch.stack([P.periodic_mask((length,), period, offset) for offset in range(period)])


# ---- several operators


def test_operators_that_share_nothing_teach_nothing_although_together_they_see_everything() -> None:
    signals = P.Inpainting((1, 12), combs(12, 3)[:, None])
    lines = P.CartesianMRI((2, 6, 12), combs(12, 3)[:, None].expand(3, 6, 12))
    for physics, group in ((signals, G.Trivial()), (signals, G.Shifts((12,))), (lines, G.Shifts((6, 12)))):
        found = ns.diagnose(physics, group)
        assert (found.verdict, found.sight.alone, found.sight.overlap) == (NOTHING, 1.0, 0.0)
        assert (found.sight.own, found.sight.distinct) == (3, 3), "shifts turn them into one another"
        assert "independently" in str(found) and "no symmetry is needed" not in str(found)


def test_operators_that_overlap_teach_without_a_group() -> None:
    linked = torch.cat([combs(12, 3), torch.arange(12)[None] > 1])
    found = ns.diagnose(P.Inpainting((1, 12), linked[:, None]), G.Trivial())
    assert found.verdict is HOLDS and "see this much without the group" in str(found)
    part = ns.diagnose(P.Inpainting((1, 12), linked[[0, 3], None]), G.Trivial())
    assert part.verdict is PARTLY and part.sight.single < part.sight.alone == part.sight.visible < 1


def test_independent_ranges_are_told_by_ranks_whatever_their_angles() -> None:
    """Twelve ranges of dimension 1 in 12: independent, not orthogonal, so that shares above a threshold fall short."""
    smooth = torch.exp(-0.5 * ((torch.arange(12.0) - 6) / 1.2) ** 2)
    found = ns.diagnose(P.MatrixOperator((1, 12), smooth[None]), G.Shifts((12,)))
    assert found.rank_visible == 12 and found.sight.visible < 0.95
    assert found.verdict is NOTHING and found.sight.overlap == 0


# ---- tomography: what a shift brings in


@pytest.mark.parametrize(
    "scanner",
    [
        P.ParallelBeamCT((1, 12, 12), 6, detectors=7),
        P.ParallelBeamCT((1, 12, 12), 6, spacing=2.0),
        P.ParallelBeamCT((1, 12, 12), 6, keep=mask(1, 6, 17)),
    ],
    ids=["short detector", "wide bins", "missing bins"],
)
def test_shifts_bring_in_what_a_detector_leaves_out(scanner: P.ParallelBeamCT) -> None:
    found = ns.diagnose(scanner, G.Shifts((12, 12)))
    listed = ns.diagnose(scanner, G.Shifts((12, 12)), budget=LISTED)
    assert found.sight.visible == pytest.approx(listed.sight.visible) and found.sight.visible > found.sight.alone + 0.1
    assert ns.diagnose(P.ParallelBeamCT((1, 12, 12), 6), G.Shifts((12, 12))).verdict is NOTHING


def test_channels_with_other_views_are_averaged_as_they_are() -> None:
    keep = torch.stack([mask(5, 1, seed=s).expand(5, 13) for s in (0, 1)])
    physics = P.ParallelBeamCT((2, 9, 9), 5, keep=keep).double()
    for group in (G.Trivial(), G.QuarterTurns()):
        found = average(physics, group, ns.diagnosis.Budget())
        torch.testing.assert_close(matrix(found), dense_mean(physics, group), atol=1e-6, rtol=1e-6)


def test_a_scanner_off_its_centre_has_twice_the_rank_and_sees_no_more() -> None:
    """Half a turn makes the views from behind, a hundredth of a pixel away: new to a rank, to nothing else."""
    found = ns.diagnose(P.ParallelBeamCT((1, 16, 16), 5, offset=0.005), G.Rotations(2))
    assert found.rank_alone is not None and found.rank_visible is not None
    assert found.rank_visible > 1.4 * found.rank_alone
    at = {point.threshold: point for point in found.curve}
    assert at[1e-3].visible - at[1e-3].alone < 0.02 < 0.1 < found.rank_visible / 256 - at[1e-3].visible
    assert found.verdict is NOTHING


# ---- noise


def test_noise_is_held_against_what_one_measurement_sees_best() -> None:
    physics = P.Inpainting((1, 12, 12), mask(12, 12))
    found = ns.diagnose(physics, G.Shifts((12, 12)), noise=ns.noise.Gaussian(0.8))
    assert found.threshold.value == pytest.approx(0.64, rel=1e-3), "a seen pixel is seen as it is, however rarely"
    assert found.sight.visible == 1 and found.verdict is HOLDS


def test_counting_noise_is_that_of_measured_entries() -> None:
    physics = P.Inpainting((1, 12, 12), mask(12, 12))
    found = ns.diagnose(physics, G.Shifts((12, 12)), noise=ns.noise.Poisson(0.1), contrast=0.5)
    assert found.threshold.value == pytest.approx(0.1 * 0.5 / 0.5**2, rel=1e-3)


def test_noise_of_a_nonlinear_operator_is_that_of_its_measurements_not_of_its_jacobian() -> None:
    physics = P.Transmission(P.ParallelBeamCT((1, 8, 8), 6), photons=100.0, attenuation=0.02)
    at = torch.ones(1, 8, 8)
    found = ns.diagnose(physics, G.Trivial(), noise=ns.noise.Poisson(1.0), at=at)
    counts = float(physics.A(at[None]).mean())
    assert f"noise of {counts**0.5:.3g}" in found.threshold.reason


# ---- what is drawn, and what is left out


def test_the_residual_beside_a_picture_is_that_of_the_dense_matrix() -> None:
    physics = P.ParallelBeamCT((1, 12, 12), 4).double()
    found = ns.diagnose(physics, G.Reflections())
    N = dense_mean(physics, G.Reflections())
    top = float(torch.linalg.eigvalsh(N)[-1])
    v = found.invisible.flatten(1)
    expected = ((v @ N).norm(dim=1) / v.norm(dim=1) / top).tolist()
    assert len(found.residuals) == 4
    assert list(found.residuals) == pytest.approx(expected, rel=0.05)
    assert max(found.residuals) < 3 * found.threshold.value
    assert found.to_json()["residuals"] == list(found.residuals) and "|N v| / |v| = " in str(found)


def test_a_few_transformations_of_many_are_said_to_see_less() -> None:
    physics = P.MatrixOperator((1, 12, 12), P.gaussian_matrix(20, 144, seed=0))
    few = ns.diagnosis.Budget(elements=3, closed_forms={}, suggestions=0, pictures=0)
    found = ns.diagnose(physics, G.Rotations(60), budget=few)
    assert found.sight.visible < 0.5 and "all of them may bring more into view" in str(found)
    assert found.sight.distinct == 60 and found.sight.count == 1200
    assert "all of them may" not in str(ns.diagnose(physics, G.QuarterTurns()))


def test_the_count_names_the_order_of_the_group() -> None:
    found = ns.diagnose(P.Inpainting((1, 12), P.periodic_mask((12,), 3)), G.Shifts((12,)))
    assert "3 different operators (|G| = 12) x 4 measurements = 12 >= 12" in str(found)

"""Calibrated intervals: they cover what they claim on exchangeable images, and say what they do not claim."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nullsight.data import TruthSet
from nullsight.draws import Draws
from nullsight.errors import InputError
from nullsight.groups import Shifts
from nullsight.noise import Gaussian
from nullsight.physics import Inpainting
from nullsight.report import heat, plain, uncertain
from nullsight.trust.bootstrap import Bootstrap, bootstrap
from nullsight.trust.conformal import (
    Calibration,
    calibrate,
    conformal_interval,
    read_calibration,
    risk_scale,
    save_calibration,
)
from nullsight.trust.uncertainty import coverage, measured_only, widths

SHAPE = (1, 4, 4)


def pretended(count: int, seed: int) -> tuple[Bootstrap, TruthSet]:
    """Return images that predict their error up to a factor of their own: exchangeable, and wrong by 2 in the mean."""
    drawn = Draws(seed, 0, tuple(range(count)))
    x = drawn.of("images").uniform(SHAPE)
    spread = 0.1 + drawn.of("spreads").uniform(SHAPE)
    factor = 2 * torch.exp(0.5 * drawn.of("factors").normal((1, 1, 1)))
    x1 = x + factor * spread * drawn.of("errors").normal(SHAPE)
    mean_square = spread.square().flatten(1).mean(1)
    return Bootstrap(x1, mean_square, spread, x1, spread, 50, 1.0), TruthSet(x)


def rows(found: Bootstrap, truth: TruthSet, which: range) -> tuple[Bootstrap, TruthSet]:
    at = list(which)
    few = (one[at] for one in (found.x1, found.mean_square, found.spread, found.seen, found.seen_spread))
    return Bootstrap(*few, found.copies, found.covered), truth.take(at)


@given(n=st.integers(1, 60), level=st.sampled_from([0.5, 0.8, 0.9]), seed=st.integers(0, 50))
def test_intervals_have_the_ranks_that_give_their_level(n: int, level: float, seed: int) -> None:
    scores = torch.rand(n, generator=torch.Generator().manual_seed(seed)).tolist()
    low, high = conformal_interval(scores, level)
    rank = math.floor(round((n + 1) * (1 - level) / 2, 9))
    if rank < 1:
        assert low is None and high is None
        return
    assert low is not None and high is not None
    # a new score is equally likely to fall into each of the n + 1 gaps between the sorted ones
    inside = sum(low <= s <= high for s in scores) - 1
    assert inside / (n + 1) >= level - 1e-9
    assert (inside - 2) / (n + 1) < level  # and no more than needed


@given(n=st.integers(1, 40), pixels=st.integers(1, 7), level=st.sampled_from([0.5, 0.75, 0.9]), seed=st.integers(0, 50))
def test_scales_are_the_smallest_that_keep_the_risk(n: int, pixels: int, level: float, seed: int) -> None:
    ratio = torch.rand(n, pixels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    scale = risk_scale(ratio, level)

    def risk(factor: float) -> float:
        return (n * float((ratio > factor).double().mean()) + 1) / (n + 1)

    if scale is None:
        assert risk(2.0) > 1 - level  # no factor is large enough
        return
    assert risk(scale) <= 1 - level + 1e-6
    assert risk(scale - 1e-9) > 1 - level - 1e-6


def test_coverage_of_exchangeable_images_is_within_binomial_bounds() -> None:
    """200 splits of 24 + 40 images: mean coverage of pixels and of PSNRs at 80 %, within four standard errors."""
    pixels, psnrs, splits = [], [], 200
    found, truth = pretended(64 * splits, 0)
    for k in range(splits):
        known = rows(found, truth, range(64 * k, 64 * k + 24))
        new, new_truth = rows(found, truth, range(64 * k + 24, 64 * k + 64))
        claimed = calibrate(*known, "toy", level=0.8).apply(new, 1.0)
        told = coverage(claimed, new_truth, torch.ones(40))
        pixels.append(told.pixels.mean)
        psnrs.append(told.psnr_within)
    error = float(torch.tensor(pixels).std()) / splits**0.5
    assert 0.8 - 4 * error < sum(pixels) / splits < 0.8 + 1 / 25 + 4 * error
    error = float(torch.tensor(psnrs).std()) / splits**0.5
    assert 0.8 - 4 * error < sum(psnrs) / splits < 0.8 + 2 / 25 + 4 * error


def test_calibration_takes_off_what_predictions_are_wrong_by() -> None:
    known, new = pretended(400, 1), pretended(100, 2)
    calibration = calibrate(*known, "toy", level=0.9)
    assert calibration.shift == pytest.approx(-20 * math.log10(2), abs=0.6)
    told = coverage(calibration.apply(new[0], 1.0), new[1], torch.ones(100))
    assert abs(told.psnr_bias) < 1 and 0.85 < told.pixels.mean < 0.95
    raw = new[0].psnr(1.0) + 0.0
    true = -10 * torch.log10((new[0].x1 - new[1].x).square().flatten(1).mean(1))
    assert float((raw - true).mean()) > 5
    assert "90 % intervals cover" in str(told)


def test_images_without_truth_are_left_out() -> None:
    found, truth = pretended(30, 3)
    has = torch.arange(30) % 2 == 0
    broken = torch.where(has.reshape(-1, 1, 1, 1), truth.x, torch.full_like(truth.x, torch.nan))
    some = calibrate(found, TruthSet(broken, has), "toy", level=0.8)
    few = rows(found, truth, range(0, 30, 2))
    assert some == calibrate(*few, "toy", level=0.8)
    assert some.images == 15


def test_a_file_names_its_data_and_comes_back(tmp_path: Path) -> None:
    for calibration in (calibrate(*pretended(30, 0), "CT of toys"), calibrate(*pretended(3, 0), "three toys")):
        save_calibration(tmp_path / "calibration.json", calibration)
        assert read_calibration(tmp_path / "calibration.json") == calibration
    assert '"data": "three toys"' in (tmp_path / "calibration.json").read_text()
    assert calibration.scale is None and calibration.low is None
    for text in ("{}", "[]", "nothing", '{"data": "a", "images": "b"}'):
        (tmp_path / "broken.json").write_text(text)
        with pytest.raises(InputError, match="expected a calibration as JSON"):
            read_calibration(tmp_path / "broken.json")
    with pytest.raises(InputError, match="expected a calibration as JSON"):
        read_calibration(tmp_path / "none.json")


def test_too_few_images_are_said_to_be_too_few() -> None:
    found, truth = pretended(3, 0)
    with pytest.raises(InputError, match="at least 9 calibration images"):
        calibrate(found, truth, "toy", level=0.9).apply(found, 1.0)


def _linear(count: int, sigma: float) -> tuple[Bootstrap, TruthSet, Inpainting]:
    mask = torch.tensor([1, 1, 0, 1, 1, 1, 0, 1])
    physics = Inpainting((1, 8), mask)
    x = torch.randn(count, 1, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    draws = Draws(0, 0, tuple(range(count)))
    y = Gaussian(sigma).observe(physics.A(x), physics.measured, draws.of("noise"))
    found = bootstrap(lambda y, A: A.A_dagger(y), y, physics, Shifts((8,)), Gaussian(sigma), draws, copies=40)
    return found, TruthSet(x), physics


def test_without_truth_the_measured_part_alone_is_claimed_and_holds() -> None:
    found, truth, physics = _linear(200, 0.2)
    claimed = measured_only(found, 1.0, level=0.9)
    assert (
        not claimed.whole and "Measured part only" in claimed.words and "nothing is claimed of the rest" in str(claimed)
    )
    assert "how far off is not known" in str(claimed)
    told = coverage(claimed, truth, torch.ones(200), physics)
    assert told.pixels.mean >= 0.9 - 0.03  # hidden samples are known to be 0 in the measured part
    assert math.isnan(told.psnr_error) and "of the measured part" in str(told)
    ratio = (found.seen - physics.A(truth.x))[:, :, physics.measured[0, 0]].abs()
    assert 0.85 < float((ratio <= claimed.half_width[:, :, physics.measured[0, 0]]).double().mean()) <= 1
    assert float((claimed.half_width[:, :, ~physics.measured[0, 0]]).max()) == 0
    with pytest.raises(InputError, match="pass physics="):
        coverage(claimed, truth, torch.ones(200))


def test_calibrated_intervals_are_about_the_image() -> None:
    found, truth, _ = _linear(60, 0.2)
    calibration = calibrate(found, truth, "toy signals")
    claimed = calibration.apply(found, 1.0)
    assert claimed.whole and torch.equal(claimed.centre, found.x1)
    assert "60 images of toy signals" in claimed.words
    assert calibration.scale is not None
    torch.testing.assert_close(claimed.half_width, calibration.scale * widths(found))
    assert bool((claimed.psnr_low <= claimed.psnr).all()) and bool((claimed.psnr <= claimed.psnr_high).all())


def test_other_images_and_levels_are_refused() -> None:
    found, truth = pretended(4, 0)
    with pytest.raises(InputError, match="between 0 and 1"):
        calibrate(found, truth, "toy", level=1.0)
    with pytest.raises(InputError, match="between 0 and 1"):
        measured_only(found, 1.0, level=0.0)
    with pytest.raises(InputError, match="is it another set"):
        calibrate(found, truth.take([0]), "toy")
    with pytest.raises(InputError, match="is it another set"):
        calibrate(found, TruthSet(truth.x, torch.zeros(4, dtype=torch.bool)), "toy")
    assert Calibration("a", 1, 0.9, 0.0, None, None, 2.0).apply(found, 1.0).psnr_low[0] == -math.inf


def test_pictures_say_what_is_claimed() -> None:
    found, truth = pretended(30, 0)
    calibrated = calibrate(found, truth, "toy").apply(found, 1.0)
    centre, width = uncertain(calibrated, 3)
    assert centre.label == "reconstruction" and f"{float(calibrated.psnr[3]):.1f} dB (" in centre.caption
    assert width.label == "90 % half width" and torch.allclose(width.image, calibrated.half_width[3])
    unchecked = uncertain(measured_only(found, 1.0), 0)
    assert "measured part only" in unchecked[1].label and "(" not in unchecked[0].caption
    assert plain(centre.image, centre.window).shape == heat(width.image, width.window).shape[:2] == (4, 4)
    with pytest.raises(InputError, match="a row from 0 to 29"):
        uncertain(calibrated, 30)

"""The small experiments of "Equivariant Imaging" (Chen, Tachella, Davies, ICCV 2021), short enough for every run.

The scripts in experiments/papers print the same in full; the margins asked for here hold for seeds 0, 1 and 2.
"""

import pytest

from experiments.papers import compressed_sensing, triangles

STEPS = 400
# one of its groups is the identity alone, on purpose
pytestmark = pytest.mark.filterwarnings("ignore::nullsight.app.hope.NothingToLearn")


@pytest.fixture(scope="module", params=[0], ids=lambda seed: f"seed {seed}")
def trained(request: pytest.FixtureRequest) -> dict[tuple[str, str], triangles.Scores]:
    found = {}
    for place, method in (
        ("anywhere on the ring", "measurement consistency"),
        ("anywhere on the ring", "identity alone as group"),
        ("anywhere on the ring", "equivariant imaging"),
        ("all in the gap", "equivariant imaging"),
    ):
        x = triangles.SETS[place](triangles.TRAIN + triangles.TEST, request.param)
        run = triangles.train(triangles.LOSSES[method], x[: triangles.TRAIN], steps=STEPS, seed=request.param)
        found[place, method] = triangles.score(run, x[triangles.TRAIN :])
        found[place, "A_dagger y"] = triangles.Scores(triangles.untrained_psnr(x[triangles.TRAIN :]), float("inf"), 0.0)
    return found


def test_measurement_consistency_fits_what_is_measured_and_knows_nothing_of_missing_samples(trained) -> None:
    consistent = trained["anywhere on the ring", "measurement consistency"]
    assert consistent.measured > 35
    assert consistent.missing < trained["anywhere on the ring", "A_dagger y"].missing + 1


def test_invariance_recovers_samples_that_are_never_measured(trained) -> None:
    learned = trained["anywhere on the ring", "equivariant imaging"]
    assert learned.measured > 30
    assert learned.missing > 22
    assert learned.missing > trained["anywhere on the ring", "measurement consistency"].missing + 12
    assert learned.missing > trained["anywhere on the ring", "A_dagger y"].missing + 12


def test_it_is_the_group_that_teaches_not_the_second_loss(trained) -> None:
    idle = trained["anywhere on the ring", "identity alone as group"]
    assert idle.measured > 35
    assert idle.missing < trained["anywhere on the ring", "A_dagger y"].missing + 2


def test_the_chain_of_operator_and_reconstructor_becomes_equivariant(trained) -> None:
    consistent = trained["anywhere on the ring", "measurement consistency"]
    learned = trained["anywhere on the ring", "equivariant imaging"]
    assert learned.equivariance_error < 0.15
    assert consistent.equivariance_error > 3 * learned.equivariance_error


def test_without_invariance_the_same_loss_recovers_nothing(trained) -> None:
    misled = trained["all in the gap", "equivariant imaging"]
    assert misled.measured > 35  # what is measured fits as well
    assert misled.missing < trained["all in the gap", "A_dagger y"].missing + 4


def test_compressed_sensing_of_figures_is_learned_from_shifts() -> None:
    found = compressed_sensing.compare(
        size=12,
        measurements=72,
        train=300,
        test=40,
        steps=200,
        seed=0,
        methods=("equivariant imaging", "measurement consistency"),
    )
    for other in ("measurement consistency", "A_dagger y"):
        gain = found.difference("equivariant imaging", other, "psnr")
        assert gain.mean > 3
        assert gain.low > 2
    assert found.mean("equivariant imaging", "residual").mean < 0.1

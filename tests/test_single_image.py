"""One measurement: deep image prior and equivariant imaging, stopped by hidden entries, without truth."""

import pytest
import torch

from nullsight.app import fit_single
from nullsight.app.single_image import _Watcher
from nullsight.data import MeasurementSet
from nullsight.groups import Dihedral
from nullsight.losses import Equivariance, MeasurementConsistency, Supervised
from nullsight.networks import UNet
from nullsight.physics import Inpainting, RandomEntries, bernoulli_mask
from nullsight.reconstructors import ArtifactRemoval, DeepImagePrior
from nullsight.training import Adam, Settings
from nullsight.types import InputError


def problem():
    physics = Inpainting((1, 8, 8), bernoulli_mask((1, 8, 8), 0.8, seed=0))
    x = torch.zeros(1, 1, 8, 8)
    x[..., 2:6, 3:7] = 1
    return physics, physics.A(x + 0.3 * torch.rand(x.shape, generator=torch.Generator().manual_seed(0)))


def prior(seed=0):
    return DeepImagePrior(UNet(4, width=4, depth=2, seed=seed, residual=False, out_channels=1), channels=4)


FAST = Settings(steps=1, optimiser=Adam(0.01), batch_size=1)
LOSS = MeasurementConsistency()


def test_the_image_of_the_best_prediction_is_kept_and_hidden_entries_are_not_learned_from():
    physics, y = problem()
    found = fit_single(prior(), y, physics, LOSS, steps=60, hide=RandomEntries(0.8), looks=6, settings=FAST)
    assert sorted(found.errors) == [0, 10, 20, 30, 40, 50, 60]
    assert found.errors[found.step] == min(found.errors.values()) < 0.7 * found.errors[0]
    assert found.run.step == 60
    # measure it again: what is hidden is what was measured and is not seen by the run's own operator
    hidden = physics.measured.expand_as(y) & ~found.run.physics.measured
    error = float((physics.A(found.x) - y)[hidden].square().mean())
    assert hidden.any() and error == pytest.approx(found.errors[found.step], rel=1e-5)
    other = torch.where(hidden, y + 1, y)
    again = fit_single(prior(), other, physics, LOSS, steps=60, hide=RandomEntries(0.8), looks=6, settings=FAST)
    assert torch.equal(again.run.reconstruct(y), found.run.reconstruct(y)) and again.errors != found.errors


def test_an_image_that_is_not_finite_does_not_end_the_search():
    physics, y = problem()
    watcher = _Watcher(MeasurementSet(y, physics), y, physics, torch.ones_like(y, dtype=torch.bool))
    for step, x in enumerate((y / 0, y + 2, y + 1, y + 3)):
        watcher(step, lambda _, x=x: x)
    assert watcher.step == 2 and torch.equal(watcher.x, y + 1)


def test_without_hidden_entries_the_last_image_is_returned():
    physics, y = problem()
    found = fit_single(prior(), y, physics, LOSS, steps=20, settings=FAST)
    assert found.step == 20 and found.errors == {}
    torch.testing.assert_close(found.x, found.run.reconstruct(y))


def test_equivariant_imaging_of_a_single_image():
    physics, y = problem()
    f = ArtifactRemoval(UNet(1, width=4, depth=2, seed=0))
    loss = LOSS + Equivariance(Dihedral(4))
    found = fit_single(f, y, physics, loss, steps=30, hide=RandomEntries(0.8), looks=3, settings=FAST)
    assert found.x.shape == (1, 1, 8, 8) and len(found.errors) == 4
    names = {name for line in found.run.history for name in line}
    assert any("Equivariance" in name for name in names) and any("hidden entries" in name for name in names)


def test_image_hangs_on_weights_and_noise_alone():
    physics, y = problem()
    f = prior()
    assert torch.equal(f(y, physics), f(2 * y, physics))
    assert torch.equal(f(y.repeat(2, 1, 1, 1), physics)[1:], f(y, physics))
    other = DeepImagePrior(f.network, channels=4, seed=1)
    assert not torch.allclose(other(y, physics), f(y, physics))
    with pytest.raises(InputError, match="at least 1 channel"):
        DeepImagePrior(f.network, channels=0)


def test_refused():
    physics, y = problem()
    with pytest.raises(InputError, match="one measurement"):
        fit_single(prior(), y.repeat(2, 1, 1, 1), physics, LOSS, steps=5)
    with pytest.raises(InputError, match="1 look"):
        fit_single(prior(), y, physics, LOSS, steps=5, looks=0)
    with pytest.raises(InputError, match="truth"):
        fit_single(prior(), y, physics, Supervised(), steps=5)

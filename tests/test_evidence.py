"""Evidence: computed once, shared by all terms, and blind to truth."""

from dataclasses import dataclass, fields, replace

import pytest
import torch
from torch import Tensor

from nullsight.draws import Draws, Stream
from nullsight.losses import Equivariance, Evidence, LabelledEvidence, Loss, MeasurementConsistency, Supervised
from nullsight.noise import Gaussian, Noise, Noiseless, Poisson
from nullsight.physics.base import Physics
from nullsight.types import InputError
from tests.cases.losses import BATCH, LinearF, M, N, Roll, ToyMatrix, evidence, labelled_evidence, randn, toy_matrix


def test_x1_is_computed_once_and_only_if_asked() -> None:
    given = evidence()
    assert given.reconstruct.calls == 0
    assert given.x1 is given.x1
    assert given.reconstruct.calls == 1


def test_virtual_images_are_shared_by_terms_that_ask_for_the_same() -> None:
    given, group = evidence(), Roll()
    loss = Equivariance(group, Gaussian(0.1)) + MeasurementConsistency() + Equivariance(group, Gaussian(0.1))
    loss(given)
    assert given.reconstruct.calls == 2
    assert given.virtual(group, Gaussian(0.1)) is given.virtual(group, Gaussian(0.1))
    given.virtual(group, Gaussian(0.2))
    assert given.reconstruct.calls == 3
    assert given.virtual(group, Gaussian(0.2)).x2 is given.turned(group).x2


def test_a_noise_that_cannot_be_hashed_is_shared_too() -> None:
    @dataclass
    class Offset(Noise):
        offset: float

        def sample(self, clean: Tensor, stream: Stream) -> Tensor:
            return clean + self.offset

        def variance(self, clean: Tensor) -> Tensor:
            return torch.zeros_like(clean)

    given, group, noise = evidence(), Roll(), Offset(1.0)
    assert given.virtual(group, noise) is given.virtual(group, noise)


def test_a_changed_copy_keeps_nothing_computed() -> None:
    given = evidence()
    doubled = replace(given, y=2 * given.y) if given.x1 is not None else given
    torch.testing.assert_close(doubled.x1, 2 * given.x1)


def test_every_image_and_every_transform_draws_its_own_element() -> None:
    given = evidence()
    g = given.turned(Roll(10**9), 4).g
    assert g.shape == (4 * BATCH,) and len(set(g.tolist())) == 4 * BATCH
    assert torch.equal(given.turned(Roll(10**9), 1).g, g[:BATCH])


def test_another_term_changes_no_draw() -> None:
    alone, together, group = evidence(), evidence(), Roll()
    together.virtual(Roll(), Poisson(0.1), 2)
    torch.testing.assert_close(together.virtual(group, Gaussian(0.1)).y2, alone.virtual(group, Gaussian(0.1)).y2)


def test_the_seed_and_the_epoch_change_the_transforms() -> None:
    given = evidence()
    drawn = [
        tuple(replace(given, draws=Draws(seed, epoch, tuple(range(BATCH)))).turned(Roll(10**9)).g.tolist())
        for seed, epoch in ((0, 0), (1, 0), (0, 1))
    ]
    assert len(set(drawn)) == 3


def test_each_virtual_image_is_measured_by_its_own_operator() -> None:
    matrices = randn(BATCH, M, N, seed=5)
    given = evidence(physics=ToyMatrix(matrices))
    virtual = given.virtual(Roll(), Noiseless(), 2)
    for i in range(2 * BATCH):
        torch.testing.assert_close(virtual.y2[i], matrices[i % BATCH] @ virtual.x2[i, 0])


def test_virtual_noise_is_on_measured_entries_only() -> None:
    seen = torch.tensor([[True, False, True, True]])
    virtual = evidence(physics=ToyMatrix(toy_matrix(), seen)).virtual(Roll(), Gaussian(0.5))
    assert bool((virtual.y2[:, 1] == 0).all()) and bool((virtual.y2[:, [0, 2, 3]] != 0).all())


def test_a_random_reconstructor_draws_anew_for_virtual_measurements() -> None:
    seen: list[Tensor] = []

    class Random(LinearF):
        def forward(
            self, y: Tensor, physics: Physics, *, start: Tensor | None = None, draws: Draws | None = None
        ) -> Tensor:
            assert draws is not None and len(draws.ids) == len(y)
            seen.append(draws.of("dropout").uniform())
            return super().forward(y, physics)

    given = evidence(f=Random(randn(N, M, seed=3)))
    given.virtual(Roll(), Noiseless(), 2)
    drawn = torch.cat(seen)
    assert len(drawn) == 3 * BATCH and len(drawn.unique()) == 3 * BATCH


def test_the_kept_start_goes_to_x1_only() -> None:
    starts: list[Tensor | None] = []

    class Starts(LinearF):
        def forward(
            self, y: Tensor, physics: Physics, *, start: Tensor | None = None, draws: Draws | None = None
        ) -> Tensor:
            starts.append(start)
            return super().forward(y, physics)

    kept = torch.zeros(BATCH, 1, N, dtype=torch.float64)
    replace(evidence(f=Starts(randn(N, M, seed=3))), start=kept).virtual(Roll(), Noiseless())
    assert starts[0] is kept and starts[1] is None


def test_evidence_has_no_way_to_truth() -> None:
    labelled = labelled_evidence()
    plain = labelled.unlabelled()
    truths = {id(labelled.x), id(labelled.has_x)}
    assert type(plain) is Evidence
    assert not {"x", "has_x", "labelled_rows"} & set(dir(plain))
    assert not truths & {id(value) for value in vars(plain).values()}
    loss = Supervised() + MeasurementConsistency() + Equivariance(Roll())
    loss(labelled)
    assert not truths & {id(value) for value in plain._kept.values()}
    assert {f.name for f in fields(LabelledEvidence)} - {f.name for f in fields(Evidence)} == {"x", "has_x"}


def test_only_a_loss_that_needs_truth_receives_it() -> None:
    received: list[type] = []

    class Looks(Loss):
        def forward(self, evidence: Evidence) -> Tensor:
            received.append(type(evidence))
            return evidence.x1.mean()

    class LooksAtTruth(Looks):
        needs_truth = True

    labelled = labelled_evidence()
    (Looks() + LooksAtTruth())(labelled)
    assert received == [Evidence, LabelledEvidence]
    assert labelled.reconstruct.calls == 1, "x1 is shared by both kinds of evidence"


def test_truth_that_is_missing_is_one_sentence() -> None:
    with pytest.raises(InputError, match="pass truth="):
        Supervised()(evidence())
    good = labelled_evidence()
    with pytest.raises(InputError, match="one ground truth"):
        replace(good, has_x=good.has_x[:2])


def test_take_keeps_the_draws_of_the_samples() -> None:
    given = labelled_evidence()
    some = given.take([2, 0])
    group = Roll(10**9)
    assert isinstance(some, LabelledEvidence)
    torch.testing.assert_close(some.x, given.x[[2, 0]])
    assert torch.equal(some.turned(group).g, given.turned(group).g[[2, 0]])
    assert some.has_x.tolist() == [False, True]

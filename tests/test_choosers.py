"""What chooses the weights of a run without truth: the held-out total, the predicted error, or a class of one's own."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import nullsight as ns
from experiments.trust import choosing
from nullsight.data.datasets import MeasurementSet
from nullsight.draws import Draws
from nullsight.losses.base import Loss
from nullsight.metrics import psnr, reference_peak
from nullsight.noise.base import Noise
from nullsight.physics.base import Physics
from nullsight.training import Adam, Checkpoints, Chooser, Constant, Interrupted, Settings, Silent, train
from nullsight.training.checkpoint import STATE, read_state, state_to_bytes
from nullsight.training.chooser import Looking
from nullsight.training.held_out import See
from nullsight.training.metrics_file import read_metrics
from nullsight.training.plan import Plan
from nullsight.trust import PredictedError
from nullsight.trust.choosing import KEY
from tests.cases.training import ToyConsistency, ToyShifts, go, toy, world
from tests.test_resume import Stop, assert_same, last, lines
from tests.test_trust_score import (
    BASIS,
    MASK,
    SHIFTS,
    SIDE,
    images,
    oracle,
    with_measured_error,
    with_null_error,
    with_shrunk_null,
)
from tests.toy_recipes import Shell, simulated

NUMBERS = (5.0, 3.0, 4.0, 2.0, 2.5, 2.25, 6.0, 1.0)


@dataclass(frozen=True)
class Planned(Chooser):
    """Says numbers that are known before, one a look."""

    numbers: tuple[float, ...] = NUMBERS

    @property
    def words(self) -> str:
        return "planned number"

    def key(self, loss: Loss) -> str | None:
        return "chooser/planned"

    def check_patience(self, loss: Loss, held_out: MeasurementSet | None) -> None:
        pass

    def begin(self, data: MeasurementSet, held_out: MeasurementSet | None) -> Looking:
        coming = iter(self.numbers)
        return lambda see: {"chooser/planned": next(coming)}


class NeverChooses(ToyConsistency):
    chooses = False


def chosen_step(out: Path) -> int:
    folder = Checkpoints(out / "checkpoints").chosen
    assert folder is not None
    return int(folder.name.split("-")[1])


BY_TOTAL = ns.training.HeldOutTotal()
PREDICTED = PredictedError(ToyShifts(), ns.noise.Noiseless(), images=2)
OFTEN = Settings(steps=14, seed=1, optimiser=Adam(5e-2), schedule=Constant(), evaluate_every=1)


# The loop asks it


def test_the_smallest_number_is_kept(tmp_path: Path) -> None:
    settings = replace(OFTEN, steps=7, chooser=Planned())
    kept = go(settings, out=tmp_path)
    assert chosen_step(tmp_path) == 7 and kept.kept == "of step 7, with the smallest planned number"
    cut = replace(settings, steps=6)  # the first number is that of the look before the first step
    runs = [go(cut, out=out) for out in (tmp_path / "a", None)]
    assert chosen_step(tmp_path / "a") == 3 and runs[0].kept.startswith("of step 3, ")
    assert_same(runs[0].reconstructor.state_dict(), runs[1].reconstructor.state_dict())
    assert any(not torch.equal(v, last(tmp_path / "a")[k]) for k, v in runs[0].reconstructor.state_dict().items())
    found = {line["step"]: line["chooser/planned"] for line in runs[0].history if "chooser/planned" in line}
    assert tuple(found.values()) == NUMBERS[:7]


def test_patience_counts_looks_of_the_chooser_and_needs_no_held_out_measurements(tmp_path: Path) -> None:
    run = go(replace(OFTEN, patience=2, chooser=Planned()), out=tmp_path)
    assert run.finished and (run.step, chosen_step(tmp_path)) == (5, 3)


def test_a_loss_that_cannot_choose_leaves_it_to_the_predicted_error(tmp_path: Path) -> None:
    w = world()
    for chooser, chosen in ((BY_TOTAL, None), (PREDICTED, 0)):
        out = tmp_path / type(chooser).__name__
        settings = replace(OFTEN, steps=3, chooser=chooser)
        run = train(toy(), w.data, NeverChooses(), settings, out=out, held_out=w.held_out, display=Silent())
        assert (Checkpoints(out / "checkpoints").chosen is None) == (chosen is None)
        assert all("held_out/total" in line for line in run.history if line["step"] == 2 and "total" not in line)
    assert go(replace(OFTEN, steps=1)).kept == "after the last step"


def test_a_number_that_is_none_is_never_better(tmp_path: Path) -> None:
    go(replace(OFTEN, steps=3, chooser=Planned((float("nan"), float("nan"), 2.0, float("nan")))), out=tmp_path)
    assert chosen_step(tmp_path) == 2


# Resume


def test_interrupted_and_resumed_chooses_as_unbroken(tmp_path: Path) -> None:
    settings = replace(OFTEN, chooser=PREDICTED, averaging=0.5)
    go(settings, many=True, out=tmp_path / "a")
    with pytest.raises(Interrupted):
        go(settings, many=True, out=tmp_path / "b", observers=[Stop(6)])
    go(settings, many=True, out=tmp_path / "b", resume=True)
    assert chosen_step(tmp_path / "a") == chosen_step(tmp_path / "b")
    assert_same(last(tmp_path / "a"), last(tmp_path / "b"))
    assert lines(tmp_path / "a") == lines(tmp_path / "b")
    folder = Checkpoints(tmp_path / "b" / "checkpoints").last
    assert folder is not None
    numbers = [one[KEY] for one in read_metrics(tmp_path / "b") if KEY in one]
    assert len(numbers) == 15 and read_state(folder / "state.pt")["best"] == min(numbers[1:])


@pytest.mark.parametrize(("first", "then"), [(PREDICTED, BY_TOTAL), (BY_TOTAL, PREDICTED)])
def test_a_run_goes_on_with_the_chooser_that_it_began_with(tmp_path: Path, first: Chooser, then: Chooser) -> None:
    go(replace(OFTEN, steps=2, chooser=first), out=tmp_path)
    with pytest.raises(ns.InputError, match="own settings to resume it, with chooser"):
        go(replace(OFTEN, steps=4, chooser=then), out=tmp_path, resume=True)


def test_a_run_from_before_there_were_choosers_and_guards_goes_on(tmp_path: Path) -> None:
    go(replace(OFTEN, steps=2), out=tmp_path)
    plan = Plan.read(tmp_path)
    assert plan is not None and plan.trajectory.pop("chooser") is None and plan.trajectory.pop("clip_spikes") == 5.0
    last = Checkpoints(tmp_path / "checkpoints").last
    assert last is not None
    rest = read_state(last / STATE)
    del rest["guard"]
    (last / STATE).write_bytes(state_to_bytes(rest))
    plan.write(tmp_path)
    assert go(replace(OFTEN, steps=4), out=tmp_path, resume=True).step == 4


# The number


def as_seen(reconstruct: ns.evaluation.base.Reconstruct) -> See:
    def see(y: Tensor | MeasurementSet, physics: Physics | None = None) -> Tensor:
        assert isinstance(y, Tensor) and physics is not None
        return reconstruct(y, physics)

    return see


@pytest.mark.parametrize("noise", [ns.noise.Noiseless(), ns.noise.Gaussian(0.3)], ids=["noiseless", "noisy"])
def test_the_order_is_that_of_the_true_errors(noise: Noise) -> None:
    x = images()
    y = noise.observe(MASK.A(x), MASK.measured, Draws(0, 0, tuple(range(6))).of("noise"))
    look = PredictedError(SHIFTS, noise).begin(MeasurementSet(y, MASK), None)
    listed = [
        with_null_error(3.0), with_shrunk_null(0.5), with_null_error(0.0), with_measured_error(1.5),
        with_shrunk_null(1.0), with_null_error(1.0),
    ]  # fmt: skip
    true = {one.name: float(psnr(one.reconstruct(y, MASK), x, data_range=reference_peak(x)).mean()) for one in listed}
    found = {one.name: look(as_seen(one.reconstruct))[KEY] for one in listed}
    assert sorted(found, key=lambda name: found[name]) == sorted(true, key=lambda name: -true[name])
    again = {one.name: look(as_seen(one.reconstruct))[KEY] for one in reversed(listed)}
    assert again == pytest.approx(found), "looks before change nothing"


def test_an_f_that_makes_the_images_of_the_task_itself_is_not_flattered() -> None:
    """A network that has collapsed reconstructs its own images without error; those of the task are not its own."""
    y = MASK.A(images())
    look = PredictedError(SHIFTS, ns.noise.Noiseless()).begin(MeasurementSet(y, MASK), None)
    collapsed = [lambda y, A: 0 * y, lambda y, A: torch.full_like(y, float(y.mean()))]
    right = look(as_seen(oracle))[KEY]
    assert all(look(as_seen(one))[KEY] > 5 * right for one in collapsed)


def test_held_out_measurements_come_first_and_a_reference_of_ones_own_is_taken() -> None:
    assert BASIS.shape[0] == SIDE * SIDE
    x = images(4)
    seen, kept = (MeasurementSet(MASK.A(part), MASK) for part in (x[:2], x[2:]))

    class Oracle(ns.reconstructors.LinearInverse):
        def _reconstruct(self, y: Tensor, physics: Physics, start: Tensor | None, draws: Draws | None) -> Tensor:
            assert torch.allclose(y, kept.y.to(y)), "the images of the task are made of held-out measurements"
            return oracle(y.double(), physics.double()).to(y)

    look = PredictedError(SHIFTS, ns.noise.Noiseless(), images=9, reference=Oracle()).begin(seen, kept)
    found = look(as_seen(oracle))
    assert max(found.values()) < 1e-4 and found.keys() >= {"chooser/measured part", "chooser/null-space part"}


def test_nonlinear_operators_and_complex_images_have_a_task() -> None:
    transmission = ns.physics.Transmission(ns.physics.ParallelBeamCT((1, 12, 12), 6), 1e4, attenuation=1.0)
    counts = ns.noise.Poisson(1.0)
    generator = torch.Generator().manual_seed(0)
    y = transmission.A(0.1 * torch.rand(2, 1, 12, 12, generator=generator))
    mask = ns.physics.bernoulli_mask((12, 12), 0.6, seed=0)
    mri = ns.physics.CartesianMRI((2, 12, 12), mask)
    z = mri.A(torch.randn(2, 2, 12, 12, generator=generator))
    group = ns.groups.QuarterTurns()
    for noise, data in ((counts, MeasurementSet(y, transmission)), (ns.noise.Gaussian(0.1), MeasurementSet(z, mri))):
        look = PredictedError(group, noise, images=2).begin(data, None)
        found = {share: look(as_seen(lambda y, A, share=share: share * A.A_dagger(y)))[KEY] for share in (1.0, 0.0)}
        assert 0 < found[1.0] < found[0.0]


def test_what_cannot_choose_is_refused() -> None:
    for count in ({"images": 0}, {"transforms": 0}):
        with pytest.raises(ns.InputError, match="at least one image and one transform"):
            PredictedError(SHIFTS, ns.noise.Noiseless(), **count)
    with pytest.raises(ns.InputError, match="known level"):
        PredictedError(SHIFTS, ns.noise.UnknownNoise(first_sigma=0.1))


# Recipes, commands, reports


def test_a_run_chosen_without_truth_says_so(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(tmp_path)
    words = ["training.steps=4", "training.evaluate_every=1", "training.chooser={name='predicted_error', images=2}"]
    run = tmp_path / "run"
    assert shell("fit", recipe, "--out", run, *words) == 0
    assert "error predicted without ground truth" in shell.out and "chooser/" not in shell.out
    kept = ns.load(run).settings.chooser
    assert isinstance(kept, PredictedError) and (kept.images, kept.seed) == (2, 0)
    assert isinstance(kept.group, ns.groups.Shifts)
    assert shell("fit", "--resume", run, "training.steps=5") == 0
    assert shell("report", run) == 0
    page = (run / "report.html").read_text()
    assert "weights kept" in page and "error predicted without ground truth" in page
    assert shell("select", run, "--json") == 0
    assert json.loads(shell.out)["scores"]
    assert shell("fit", recipe, "--dry-run", *words) == 0


def test_a_chooser_needs_what_it_is_made_of(shell: Shell, tmp_path: Path) -> None:
    recipe = simulated(tmp_path)
    said = shell.refused("fit", recipe, "--out", tmp_path / "run", "training.chooser={name='predicted'}")
    assert "did you mean 'predicted_error'" in said
    recipe.write_text(recipe.read_text().replace('[group]\nname = "shifts"\n', ""))
    shifts = "loss.1.group={name='shifts'}"
    said = shell.refused("fit", recipe, "--out", tmp_path / "run", shifts, "training.chooser.name=predicted_error")
    assert "training.chooser to have 'group'" in said


def test_fit_takes_a_chooser(tmp_path: Path) -> None:
    physics = ns.physics.Inpainting((1, 8, 8), ns.physics.bernoulli_mask((1, 8, 8), 0.7, seed=0))
    shifts = ns.groups.Shifts((8, 8))
    f = ns.reconstructors.ArtifactRemoval(ns.networks.UNet(channels=1, width=4, depth=2, seed=0))
    y = physics.A(torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    loss = ns.losses.MeasurementConsistency() + ns.losses.Equivariance(shifts)
    chooser = PredictedError(shifts, ns.noise.Noiseless(), images=2)
    run = ns.fit(f, y, physics, loss, steps=2, out=tmp_path, chooser=chooser, display=Silent())
    assert run.settings.chooser is chooser and "predicted without ground truth" in ns.load(tmp_path).kept


# The committed experiment


@pytest.mark.filterwarnings("ignore::nullsight.app.hope.NothingToLearn")
def test_choices_are_compared_and_finished_rows_are_kept(tmp_path: Path) -> None:
    out, plan = tmp_path / "choosing.json", choosing.Plan(16, held_out=3, test=3, steps=4, looks=2, seeds=1)
    found = choosing.study(plan, out, ["mask, few and noisy"])
    [row] = found["rows"]
    assert row["looks"] == 2 and min(row["regret"].values()) >= 0
    assert min(row["regret"]["last"], row["best"] - row["last"]) == pytest.approx(row["regret"]["last"], abs=1e-3)
    made = out.stat().st_mtime_ns
    assert choosing.study(plan, out, ["mask, few and noisy"]) == json.loads(out.read_text())
    assert out.stat().st_mtime_ns == made
    with pytest.raises(ns.InputError, match="rows of one plan"):
        choosing.study(replace(plan, steps=8), out)


def test_regrets_are_those_of_the_chosen_looks() -> None:
    keys = [choosing.PSNR, *choosing.BY.values()]
    looks = [dict(zip(keys, one, strict=True)) for one in ((20.0, 3.0, 2.0), (22.0, 2.0, 1.0), (21.0, 1.0, 4.0))]
    row = choosing.judged(looks)
    assert row["regret"] == {"last": 1.0, "held-out total": 1.0, "predicted error": 0.0}
    both = choosing.summary([row, choosing.judged(looks[:1])])
    assert both["within_share"] == {"last": 0.5, "held-out total": 0.5, "predicted error": 1.0}

"""Random streams: the same draw whatever else is drawn, and independent draws otherwise."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nullsight.draws import Draws, Stream, stable_hash
from nullsight.errors import InputError

IDS = st.lists(st.integers(0, 2**63), min_size=1, max_size=5, unique=True)
WORDS = st.integers(0, 2**64 - 1)


@given(seed=WORDS, epoch=st.integers(0, 2**40), ids=IDS)
def test_a_draw_depends_on_its_own_sample_alone(seed: int, epoch: int, ids: list[int]) -> None:
    together = Draws(seed, epoch, tuple(ids)).of("g").normal((3,))
    alone = torch.cat([Draws(seed, epoch, (i,)).of("g").normal((3,)) for i in ids])
    backwards = Draws(seed, epoch, tuple(reversed(ids))).of("g").normal((3,)).flip(0)
    assert torch.equal(together, alone) and torch.equal(together, backwards)


@given(ids=IDS, processes=st.integers(1, 3))
def test_splitting_a_batch_over_processes_changes_no_draw(ids: list[int], processes: int) -> None:
    whole = Draws(5, 1, tuple(ids))
    for rank in range(processes):
        rows = list(range(rank, len(ids), processes))
        assert torch.equal(whole.of("mask").uniform((2,))[rows], whole.take(rows).of("mask").uniform((2,)))


def test_another_term_changes_no_draw() -> None:
    draws = Draws(0, 0, (1, 2))
    before = draws.of("rotation").integers(360)
    draws.of("noise").normal((1000,))
    assert torch.equal(before, draws.of("rotation").integers(360))


def test_two_terms_in_one_chain_do_not_share_parameters() -> None:
    draws = Draws(0, 0, tuple(range(50)))
    first, second = draws.of("transform").integers(360), draws.of("second transform").integers(360)
    assert int((first == second).sum()) < 5


def test_seed_epoch_sample_copy_and_term_each_change_the_draw() -> None:
    base = {"seed": 3, "epoch": 4, "ids": (5,), "copies": (0,)}
    variants = [base, *({**base, name: value} for name, value in (("seed", 4), ("epoch", 5), ("ids", (6,)))), base]
    draws = [Draws(**one).of("a").normal((4,)) for one in variants[:-1]]  # type: ignore[arg-type]
    draws += [Draws(3, 4, (5,), (1,)).of("a").normal((4,)), Draws(3, 4, (5,)).of("b").normal((4,))]
    draws += [Draws(4, 3, (5,)).of("a").normal((4,)), Draws(3, 5, (4,)).of("a").normal((4,))]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(draws, 2))


@pytest.mark.parametrize("axis", ["seed", "epoch", "id", "copy", "term"])
def test_neighbouring_streams_are_independent(axis: str) -> None:
    number = range(200)
    streams = {
        "seed": [Draws(i, 0, (0,)).of("a") for i in number],
        "epoch": [Draws(0, i, (0,)).of("a") for i in number],
        "id": [Draws(0, 0, (i,)).of("a") for i in number],
        "copy": [Draws(0, 0, (0,), (i,)).of("a") for i in number],
        "term": [Draws(0, 0, (0,)).of(f"a{i}") for i in number],
    }[axis]
    values = torch.cat([one.normal((50,)) for one in streams])
    correlation = torch.corrcoef(values.T) - torch.eye(50)
    assert abs(float(values.mean())) < 4 / 100 and abs(float(values.var()) - 1) < 0.06  # 10 000 draws
    assert float(correlation.abs().max()) < 5 / 200**0.5
    assert abs(float((values[1:] * values[:-1]).mean())) < 4 / 100


def test_statistics() -> None:
    stream = Draws(1, 0, (0, 1)).of("a")
    uniform = stream.uniform((20000,))
    assert uniform.shape == (2, 20000) and uniform.dtype == torch.float64
    assert float(uniform.min()) >= 0 and float(uniform.max()) < 1 and abs(float(uniform.mean()) - 0.5) < 0.01
    assert abs(float(uniform.var()) - 1 / 12) < 0.002
    counts = stream.poisson(torch.full((2, 20000), 4.0))
    assert counts.dtype == torch.float32 and bool((counts == counts.round()).all())
    assert abs(float(counts.mean()) - 4) < 0.05 and abs(float(counts.var()) - 4) < 0.15
    numbers = Draws(1, 0, tuple(range(6000))).of("a").integers(6)
    assert numbers.dtype == torch.int64 and numbers.shape == (6000,)
    assert all(abs(int(n) - 1000) < 150 for n in torch.bincount(numbers, minlength=6))


def test_a_stream_goes_on_and_starts_again() -> None:
    draws = Draws(0, 0, (1,))
    stream = draws.of("a")
    first, second = stream.normal((2,)), stream.normal((2,))
    assert not torch.equal(first, second)
    assert torch.equal(torch.cat([first, second], 1), draws.of("a").normal((4,)))
    assert len(stream) == 1


def test_repeat_keeps_the_first_copy_and_makes_the_others_their_own() -> None:
    draws = Draws(0, 0, (7, 9))
    tiled = draws.repeat(3).of("a").normal((4,))
    assert torch.equal(tiled[:2], draws.of("a").normal((4,)))
    assert len({tuple(row.tolist()) for row in tiled}) == 6
    assert draws.repeat(3).ids == (7, 9, 7, 9, 7, 9)
    twice = draws.repeat(2).repeat(3)
    assert len({*zip(twice.ids, twice.copies or (), strict=True)}) == 12
    assert torch.equal(draws.repeat(3).take([4, 1]).of("a").normal((4,)), tiled[[4, 1]])


def test_no_global_generator_is_used_or_changed() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    first = Draws(0, 0, (1,)).of("a").normal()
    torch.manual_seed(1)
    assert torch.equal(first, Draws(0, 0, (1,)).of("a").normal())
    torch.manual_seed(0)
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])  # type: ignore[index]


def test_the_numbers_are_the_same_on_every_machine() -> None:
    assert stable_hash("transform") == 0x7E9A7818B3285BB0
    assert Draws(0, 0, (0, 1)).of("transform").integers(1000).tolist() == [891, 74]


def test_numbers_out_of_range_are_refused() -> None:
    for wrong in (
        lambda: Draws(-1, 0, (0,)),
        lambda: Draws(0, -1, (0,)),
        lambda: Draws(0, 0, (-3,)),
        lambda: Draws(2**64, 0, (0,)),
        lambda: Draws(0, 0, (1, 2), (0,)),
    ):
        with pytest.raises(InputError, match="from 0 to"):
            wrong()


def test_an_empty_batch() -> None:
    draws = Draws(0, 0, ())
    assert len(draws.of("a")) == 0 and draws.repeat(2).ids == ()
    assert isinstance(draws.of("a"), Stream)
    assert draws.of("a").integers(3).shape == (0,)

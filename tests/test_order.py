"""The order of samples and the split of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullsight.data.datasets import split
from nullsight.training.order import Order
from nullsight.types import InputError
from tests.cases.training import (
    world,
)


@given(samples=st.integers(1, 40), batch_size=st.integers(1, 45), seed=st.integers(0, 2**64 - 1))
def test_an_epoch_sees_every_sample_once(samples: int, batch_size: int, seed: int) -> None:
    order = Order(samples, batch_size, seed)
    steps = [order.at(order.per_epoch * 5 + k) for k in range(order.per_epoch)]
    assert {epoch for epoch, _ in steps} == {5}
    assert sorted(i for _, rows in steps for i in rows) == list(range(samples))


@given(
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
    labels=st.lists(st.sampled_from("abcdef"), min_size=7, max_size=7),
)
def test_a_split_keeps_groups_whole(share: float, seed: int, labels: list[str]) -> None:
    data = world().data
    train_rows, held = split(data, share, seed)
    assert sorted((*train_rows, *held)) == list(range(7)) and train_rows and held
    assert abs(len(held) - share * 7) <= 1 and split(data, share, seed) == (train_rows, held)
    if len(set(labels)) < 2:
        with pytest.raises(InputError, match="at least two"):
            split(data, share, seed, labels)
        return
    train_rows, held = split(data, share, seed, labels)
    assert not {labels[i] for i in train_rows} & {labels[i] for i in held}
    assert sorted((*train_rows, *held)) == list(range(7)) and train_rows and held


def test_a_split_that_does_not_fit_is_refused() -> None:
    data = world().data
    for share in (0.0, 1.0, -1.0, 2.0):
        with pytest.raises(InputError, match="share between"):
            split(data, share, 0)
    with pytest.raises(InputError, match="7 groups"):
        split(data, 0.5, 0, ["a"])

"""Checks of parts, for our tests and for users' own: an AssertionError says what should be and what is."""

from nullsight.contracts.reconstructors import (
    assert_batch_independent,
    assert_consistent,
    assert_deterministic,
    assert_gradients_reach_all_weights,
    assert_runs_on,
    assert_same_shape,
)

__all__ = [
    "assert_batch_independent",
    "assert_consistent",
    "assert_deterministic",
    "assert_gradients_reach_all_weights",
    "assert_runs_on",
    "assert_same_shape",
]

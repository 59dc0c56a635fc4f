"""Checks of parts, for our tests and for users' own: an AssertionError says what should be and what is."""

from nullsight.contracts.findings import ContractError, Finding
from nullsight.contracts.losses import (
    assert_gradient_exact,
    assert_gradient_reaches,
    assert_loss,
    assert_mean_over_samples,
    assert_players_apart,
    assert_repeatable,
    assert_scalar,
    assert_split_independent,
    assert_zero,
)
from nullsight.contracts.physics import (
    assert_adjoint,
    assert_batch,
    assert_dagger,
    assert_gradient,
    assert_matrix,
    assert_norm,
    assert_refuses_single_image,
    assert_subset,
    check_physics,
)
from nullsight.contracts.reconstructors import (
    assert_batch_independent,
    assert_consistent,
    assert_deterministic,
    assert_gradients_reach_all_weights,
    assert_runs_on,
    assert_same_shape,
)

__all__ = [
    "ContractError",
    "Finding",
    "assert_adjoint",
    "assert_batch",
    "assert_batch_independent",
    "assert_consistent",
    "assert_dagger",
    "assert_deterministic",
    "assert_gradient",
    "assert_gradient_exact",
    "assert_gradient_reaches",
    "assert_gradients_reach_all_weights",
    "assert_loss",
    "assert_matrix",
    "assert_mean_over_samples",
    "assert_norm",
    "assert_players_apart",
    "assert_refuses_single_image",
    "assert_repeatable",
    "assert_runs_on",
    "assert_same_shape",
    "assert_scalar",
    "assert_split_independent",
    "assert_subset",
    "assert_zero",
    "check_physics",
]

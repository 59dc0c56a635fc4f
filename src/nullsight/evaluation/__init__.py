"""Evaluation: reconstruct, score with and without reference, compare with baselines, write results down."""

from nullsight.evaluation.base import Evaluation, Reconstruct, Scores, dagger, evaluate
from nullsight.evaluation.ranges import DataRange, FixedRange, MagnitudePeak, PeakOfEach, magnitude
from nullsight.evaluation.results import (
    Method,
    Result,
    Setting,
    check_setting,
    markdown_table,
    mean_distance,
    merge,
    read_result,
    to_result,
    write_result,
)
from nullsight.evaluation.statistics import Interval, first_of_each, t_interval

__all__ = [
    "DataRange",
    "Evaluation",
    "FixedRange",
    "Interval",
    "MagnitudePeak",
    "Method",
    "PeakOfEach",
    "Reconstruct",
    "Result",
    "Scores",
    "Setting",
    "check_setting",
    "dagger",
    "evaluate",
    "first_of_each",
    "magnitude",
    "markdown_table",
    "mean_distance",
    "merge",
    "read_result",
    "t_interval",
    "to_result",
    "write_result",
]

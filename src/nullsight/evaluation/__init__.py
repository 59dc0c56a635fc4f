"""Evaluation: reconstruct, score with and without reference, compare with baselines, write results down."""

from nullsight.evaluation.base import Evaluation, Reconstruct, Scores, dagger, evaluate
from nullsight.evaluation.curves import Axes, CurveRow, curve_names, curves_table, read_curves, write_curve
from nullsight.evaluation.ranges import DataRange, FixedRange, MagnitudePeak, PeakOfEach, magnitude
from nullsight.evaluation.results import (
    Method,
    Result,
    Setting,
    check_setting,
    markdown_table,
    mean_distance,
    merge,
    paired_difference,
    read_result,
    to_result,
    write_result,
)
from nullsight.evaluation.statistics import Interval, first_of_each, t_interval

__all__ = [
    "Axes",
    "CurveRow",
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
    "curve_names",
    "curves_table",
    "dagger",
    "evaluate",
    "first_of_each",
    "magnitude",
    "markdown_table",
    "mean_distance",
    "merge",
    "paired_difference",
    "read_curves",
    "read_result",
    "t_interval",
    "to_result",
    "write_curve",
    "write_result",
]

"""Reports: a run as one self-contained HTML page that a person wants to look at."""

from nullsight.report.axes import LinearAxis, LogAxis
from nullsight.report.content import (
    Chart,
    Curve,
    Diagnosed,
    Example,
    Headline,
    Panel,
    ReportContent,
    Table,
    error_map,
)
from nullsight.report.diagnosed import diagnosed
from nullsight.report.fill import curves, image_table, interval_text, score_table
from nullsight.report.page import build_report, write_report
from nullsight.report.pictures import heat, log_magnitude, plain
from nullsight.report.trusted import part_pictures, trusted
from nullsight.report.uncertain import uncertain

__all__ = [
    "Chart",
    "Curve",
    "Diagnosed",
    "Example",
    "Headline",
    "LinearAxis",
    "LogAxis",
    "Panel",
    "ReportContent",
    "Table",
    "build_report",
    "curves",
    "diagnosed",
    "error_map",
    "heat",
    "image_table",
    "interval_text",
    "log_magnitude",
    "part_pictures",
    "plain",
    "score_table",
    "trusted",
    "uncertain",
    "write_report",
]

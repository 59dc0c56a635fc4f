"""A report with everything in it."""

import torch

from nullsight.report import (
    Chart,
    Example,
    Headline,
    LogAxis,
    Panel,
    ReportContent,
    Table,
    curves,
    error_map,
)

BLACK, WHITE = torch.zeros(1, 128, 128), torch.ones(1, 128, 128)


def content() -> ReportContent:
    ramp = torch.linspace(0, 1, 128).expand(1, 128, 128)
    panels = (
        Panel("measured", torch.rand((1, 20, 90), generator=torch.Generator().manual_seed(0))),
        Panel("before", BLACK, (0.0, 1.0), "10.00 dB"),
        Panel("after", WHITE, (0.0, 1.0), "30.00 dB"),
        error_map(ramp, BLACK, top=0.5),
        Panel("signal", torch.linspace(0, 1, 50)),
    )
    rows = [{"step": i, "loss": 1.0 / (i + 1)} for i in range(1000)]
    drawn = curves(rows, {"loss": "a loss with a long name"})
    return ReportContent(
        "Sparse <views> & more",
        "Learned from 90 sinograms; no ground truth was used. " * 2,
        (Headline("PSNR", "33.4 dB", "32.1 .. 34.7"), Headline("gained", "+9.3 dB")),
        (Example("slice 1", panels, ("before", "after")),),
        (Table("Scores", ("method", *["PSNR, dB"] * 6), (("EI", *["33.41 (32.12 .. 34.70)"] * 6),), "a note", 0),),
        (Chart("Terms", "step", "mean square", drawn, LogAxis()), Chart("Again", "step", "mean square", drawn)),
        (("Versions", (("torch", "2.13.0"), ("a/very/long/path/" * 8, "x" * 300))),),
        '# remark\n[physics]\nname = "parallel_beam_ct" # <b>\nangles = [0.0, 9.0]\n' + f"long = {[0.5] * 60}\n",
    )

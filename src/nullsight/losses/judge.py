"""Judging reconstructors without truth: on virtual problems, whose images are known, and by hidden measurements."""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.losses.base import Evidence
from nullsight.losses.errors import Scaling
from nullsight.losses.evidence import Reconstruct, begun
from nullsight.losses.growing import Growing
from nullsight.losses.making import Maker
from nullsight.losses.refresh import Refresh
from nullsight.losses.splitting import hidden_errors
from nullsight.physics.splits import Split
from nullsight.types import Image, Measurement

_APART = 2**32  # the copy whose draws judge; steps have far fewer


class Judge(Growing):
    """How far first images, and what f makes of the same measurements, are from the true ones, as estimated.

    f is judged on one virtual problem a sample: its first image, turned, measured and reconstructed. That problem stays
    the same for the whole training and is not trained on. What made the first image is judged by hidden measurements:
    it reconstructs from a part of y and predicts the rest; how that error goes with the error of an image made from all
    of y is found on some of the virtual problems.

    Args:
        rule: says what is hidden, how it is compared and on how many virtual problems.
        split: which measurements are hidden.
        scaling: the unit of images.

    Attributes:
        errors: estimated mean squares of the first images' errors, ``(samples,)``; empty before a training.
        images: of the virtual problems, ``(samples, *image_shape)``.
        measurements: ``(samples, *measurement_shape)``.
        starts: what f begins with there, ``(samples, *image_shape)``.
    """

    growing = ("errors", "images", "measurements", "starts")
    errors: Tensor
    images: Tensor
    measurements: Tensor
    starts: Tensor

    def __init__(self, rule: Refresh, split: Split, scaling: Scaling) -> None:
        super().__init__()
        self.rule, self.split, self.scaling = rule, split, scaling

    def prepare(self, blocks: Iterable[Evidence], first: Image, solver: Reconstruct, maker: Maker) -> None:
        """Make the virtual problems of all samples and estimate the errors of their first images.

        Args:
            blocks: the training set.
            first: the images, ``(samples, *image_shape)``.
            solver: what made them.
            maker: turns and measures them.
        """
        hidden, known, predicted = [], [], []
        problems: list[tuple[Image, Measurement, Image]] = []
        stride = -(-len(first) // self.rule.samples)
        for evidence in map(apart, blocks):
            x2 = maker.turn(first[evidence.ids].to(evidence.y), evidence.draws)
            y2 = maker.measure(x2, evidence.physics, evidence.draws)
            problems.append((x2, y2, begun(evidence.reconstruct, y2, evidence.physics)))
            hidden.append(self._hidden(solver, evidence))
            rows = [row for row, i in enumerate(evidence.ids.tolist()) if i % stride == 0]
            if rows:
                some = replace(evidence.take(rows), y=y2[rows], start=None)
                known.append(self._squares(solver(some.y, some.physics, draws=some.draws), x2[rows], some))
                predicted.append(self._hidden(solver, some))
        self.errors = torch.cat(known).sum() / torch.cat(predicted).sum() * torch.cat(hidden)
        self.images, self.measurements, self.starts = (torch.cat(part) for part in zip(*problems, strict=True))

    @torch.no_grad()
    def of(self, f: Reconstruct, evidence: Evidence) -> Tensor:
        """Return the mean square of f's error on the virtual problem of each sample, ``(batch,)``."""
        known = apart(evidence)
        x2, y2, start = (part[known.ids].to(known.y) for part in (self.images, self.measurements, self.starts))
        return self._squares(f(y2, known.physics, start=start, draws=known.draws), x2, known)

    def _hidden(self, solver: Reconstruct, evidence: Evidence) -> Tensor:
        return hidden_errors(solver, evidence, self.split, self.rule.residual, self.scaling)

    def _squares(self, x: Image, known: Image, evidence: Evidence) -> Tensor:
        return ((x - known) / self.scaling.image_unit(evidence)).square().flatten(1).mean(1)


def apart(evidence: Evidence) -> Evidence:
    """Return the evidence with draws that are the same in every pass, and other ones than a training step has."""
    ids = tuple(evidence.ids.tolist())
    return replace(evidence.unlabelled(), draws=Draws(evidence.draws.seed, 0, ids, (_APART,) * len(ids)))

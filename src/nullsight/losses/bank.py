"""Equivariance with a bank of virtual images: the target is known before the step, which takes one pass."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.groups.base import Family
from nullsight.losses.base import Evidence, Loss
from nullsight.losses.errors import MEAN_SQUARE, UNIT_NORM, Error, Scaling, mean_error
from nullsight.losses.evidence import Reconstruct
from nullsight.losses.refresh import Always, Refresh
from nullsight.noise import Noise, Noiseless
from nullsight.types import Image, InputError, Scalar

NOISELESS = Noiseless()
ALWAYS = Always()


class BankEquivariance(Loss):
    """The error between ``f(A T_g v + noise)`` and ``T_g v``, with v the sample's image in a bank, not differentiated.

    Plain :class:`~nullsight.losses.Equivariance` has ``v = x1 = f(y)`` of the moment and its gradient goes through
    both sides. Here v is kept from before, so that a step takes one pass of f instead of two and the target cannot
    give way. The bank begins with ``start`` and each image is replaced, now and then, by what the averaged (EMA)
    reconstructor makes of the sample's measurement, where ``refresh`` allows it. In evaluation, and so for held-out
    measurements, ``v = f(y)``. The detached target is the one of Chen, Tachella, Davies, "Equivariant Imaging", ICCV
    2021, equation (5), without its first gradient.

    Args:
        group: the transformations that leave the set of images as it is.
        start: what the bank begins with: images ``(samples, *image_shape)`` in the order of the training set, a
            reconstructor such as ``TotalVariation()``, or None for f's own first reconstructions.
        refresh: when images are replaced.
        every: a sample's image is replaced in one of so many passes over the data, >= 1.
        noise: what virtual measurements get: that of the real ones, drawn anew at each step.
        error: how far two images are apart.
        scaling: their unit.

    Attributes:
        bank: the images, ``(samples, *image_shape)``, part of every checkpoint; empty before a training.
        version: how many images have been replaced.

    Raises:
        InputError: ``every`` below 1, or a judge that has no reconstructor to compare f with.

    Example:
        >>> from nullsight.groups import Dihedral
        >>> (10 * BankEquivariance(Dihedral(4))).names
        ['BankEquivariance']
    """

    bank: Tensor
    version: Tensor
    judged: Tensor
    first: Tensor

    def __init__(
        self,
        group: Family,
        start: Tensor | Reconstruct | None = None,
        refresh: Refresh = ALWAYS,
        every: int = 4,
        noise: Noise = NOISELESS,
        error: Error = MEAN_SQUARE,
        scaling: Scaling = UNIT_NORM,
    ) -> None:
        super().__init__()
        if every < 1:
            raise InputError(f"expected every of at least 1 pass, but {every} came")
        if refresh.judge is not None and (start is None or isinstance(start, Tensor)):
            raise InputError(
                f"expected a reconstructor as start for {type(refresh).__name__}, which compares f with it, but "
                f"{'images' if isinstance(start, Tensor) else 'nothing'} came: name it, or choose Always or Never"
            )
        self.group, self.start, self.refresh, self.every = group, start, refresh, every
        self.noise, self.error, self.scaling = noise, error, scaling
        self.register_buffer("bank", torch.zeros(0))
        self.register_buffer("version", torch.zeros((), dtype=torch.int64))
        # the judge's last value for f on each sample; NaN: not judged yet, inf: not among the judged
        self.register_buffer("judged", torch.zeros(0))
        self.register_buffer("first", torch.full((), torch.inf))  # the mean for start; inf: unknown

    @property
    def detail(self) -> str:
        """The group's name."""
        return type(self.group).__name__

    def prepare(self, blocks: Iterable[Evidence]) -> None:
        """Fill the bank from the whole training set."""
        made = [self._begin(evidence) for evidence in blocks]
        images, self.judged = torch.cat(made), self.judged.new_full((sum(map(len, made)),), torch.inf)
        if isinstance(self.start, Tensor):
            images = self._given(self.start.to(images), images.shape)
        self.bank, self.version = images, torch.zeros_like(self.version)
        if self.refresh.judge is not None:
            stride = -(-len(images) // self.refresh.samples)
            self.judged[::stride] = torch.nan
            self.first = self._first_scores(blocks).to(self.first)

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the error of a batch."""
        with torch.no_grad():
            v = self._images(evidence)
            g = self.group.sample(evidence.draws.of(f"transform {type(self.group).__name__}"))
            x2 = self.group.act(g, v)
            clean = evidence.physics.A(x2)
            y2 = self.noise.observe(clean, evidence.physics.measured, evidence.draws.of("virtual noise"))
        batch = len(evidence.draws.ids)
        later = evidence.draws.repeat(2).take(range(batch, 2 * batch))  # other copies than those of f(y)
        x3 = evidence.reconstruct(y2, evidence.physics, draws=later)
        unit = self.scaling.image_unit(evidence)
        return mean_error(self.error, x3 / unit, x2 / unit)

    def update(self, evidence: Evidence) -> None:
        """Judge f on the judged samples of the batch and replace the images that are due."""
        ids = evidence.ids.tolist()
        f = evidence.smoothed or evidence.reconstruct
        if self.refresh.judge is not None:
            for row in [row for row, i in enumerate(ids) if not bool(self.judged[i].isposinf())]:
                self.judged[ids[row]] = _judge(self.refresh.judge, evidence.take([row]), f)
        first = float(self.first) if bool(self.first.isfinite()) else None
        if not self.refresh.allows(evidence.progress, self._now(), first):
            return
        rows = [row for row, i in enumerate(ids) if (i + evidence.draws.epoch) % self.every == 0]
        if rows:
            due = evidence.take(rows)
            self.bank[due.ids] = f(due.y, due.physics, start=due.start, draws=due.draws).to(self.bank)
            self.version += len(rows)

    def _images(self, evidence: Evidence) -> Image:
        if not self.training:
            return evidence.x1
        if not len(self.bank):
            raise InputError("expected a bank that is filled, but it is empty: call prepare first, as training does")
        return self.bank[evidence.ids].to(evidence.y)

    def _begin(self, evidence: Evidence) -> Image:
        if isinstance(self.start, Tensor):
            return evidence.y.new_zeros(len(evidence.y), *evidence.physics.image_shape)
        f = self.start or evidence.reconstruct
        return f(evidence.y, evidence.physics, start=evidence.start, draws=evidence.draws)

    def _first_scores(self, blocks: Iterable[Evidence]) -> Tensor:
        assert self.refresh.judge is not None and self.start is not None and not isinstance(self.start, Tensor)
        sums, count = 0.0, 0
        for evidence in blocks:
            rows = [row for row, i in enumerate(evidence.ids.tolist()) if self.judged[i].isnan()]
            if rows:
                sums += len(rows) * _judge(self.refresh.judge, evidence.take(rows), self.start)
                count += len(rows)
        return torch.tensor(sums / count)

    def _now(self) -> float | None:
        scores = self.judged[self.judged < torch.inf]
        return None if bool(self.judged.isnan().any()) or not len(scores) else float(scores.mean())

    @staticmethod
    def _given(images: Image, shape: Sequence[int]) -> Image:
        if tuple(images.shape) != tuple(shape):
            raise InputError(
                f"expected images of shape {tuple(shape)} for the bank, one a training sample in their order, but "
                f"{tuple(images.shape)} came"
            )
        return images.clone()

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("bank", "judged"):  # empty until a training has begun
            if (kept := state.get(prefix + name)) is not None:
                setattr(self, name, getattr(self, name).new_empty(kept.shape))
        super()._load_from_state_dict(state, prefix, *rest)


def _judge(judge: Loss, evidence: Evidence, f: Reconstruct) -> float:
    """Return the judge's value for f, with draws that depend on the samples alone."""
    draws = Draws(0, 0, tuple(evidence.ids.tolist()))
    with torch.no_grad():
        return float(judge(replace(evidence.unlabelled(), reconstruct=f, draws=draws)))

"""Equivariance with a bank of virtual images: the target is known before the step, which takes one pass."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nullsight.constraints import AnyValue, Constraint
from nullsight.draws import Draws
from nullsight.groups.base import Family
from nullsight.losses.base import Evidence, Loss
from nullsight.losses.errors import MEAN_SQUARE, UNIT_NORM, Error, Scaling, mean_error
from nullsight.losses.evidence import Reconstruct, Solver, begun
from nullsight.losses.frames import OperatorFrames
from nullsight.losses.growing import Growing
from nullsight.losses.judge import Judge, apart
from nullsight.losses.making import Made, Maker
from nullsight.losses.ready import Problems, ReadyProblems
from nullsight.losses.refresh import Always, Never, Refresh
from nullsight.noise import Noise, Noiseless
from nullsight.types import Image, InputError, Scalar

NOISELESS = Noiseless()
ALWAYS, NEVER = Always(), Never()
ANY_VALUE = AnyValue()


class BankEquivariance(Growing, Loss):
    """The error between ``f(A T_g v + noise)`` and ``T_g v``, with v the sample's image in a bank, not differentiated.

    Plain :class:`~nullsight.losses.Equivariance` has ``v = x1 = f(y)`` of the moment and its gradient goes through
    both sides. Here v is kept from before, so that a step takes one pass of f instead of two and the target cannot
    give way. The bank begins with ``start`` and each image is renewed, now and then, with what the averaged (EMA)
    reconstructor, or f itself in a run that keeps no average, makes of the sample's measurement, where ``refresh``
    allows it. In evaluation, and so for held-out
    measurements, ``v = f(y)``, which says how consistent f is with itself: it is written down and chooses no weights.
    The detached target is the one of Chen, Tachella, Davies, "Equivariant Imaging", ICCV 2021, equation (5), without
    its first gradient.

    Args:
        group: the transformations that leave the set of images as it is.
        start: what the bank begins with: images ``(samples, *image_shape)`` in the order of the training set, a
            reconstructor such as ``TotalVariation()``, or None for f's own first reconstructions.
        refresh: when images are renewed; None: always where f's own reconstructions began, else never, as a weak f
            would drag a good bank down.
        every: a sample's image is renewed in one of so many passes over the data, >= 1.
        ready: virtual problems kept ready for each sample, with what f begins with (its ``begin``), all made in one
            batch whenever the sample is due; divides ``every``, and each is met in as many passes. For an f whose
            first image is costly, as a variational solution is. 0: every step makes its own.
        frames: turned operators, which from some moment on take the place of turned images; None: images are turned
            all the time.
        share: of f's reconstruction in the renewed image, in (0, 1]; the rest is the first image. A solver and f err
            differently, so the mean of two images about as good is nearer to the truth than either; without the first
            one the bank becomes what f makes anyhow, and f learns nothing more. None: 1/2 where ``start`` is given,
            else 1.
        constraint: what virtual images may be; projected upon after turning, as interpolation overshoots at edges.
        noise: what virtual measurements get: that of the real ones, drawn anew whenever one is made: at each step, or,
            where some are kept ready, once for each of these.
        error: how far two images are apart.
        scaling: their unit.

    Attributes:
        bank: the images, ``(samples, *image_shape)``, part of every checkpoint; empty before a training.
        version: how many images have been renewed.
        first: the images that it began with, where renewed ones hold a share of them; else empty.

    Raises:
        InputError: ``every`` below 1, a share outside (0, 1], or a rule that compares f with a reconstructor where
            ``start`` is none.

    Example:
        >>> from nullsight.groups import Dihedral
        >>> (10 * BankEquivariance(Dihedral(4))).names
        ['BankEquivariance']
    """

    chooses = False  # in evaluation it sees how consistent f is with itself, which a weak f may be
    growing = ("bank", "first")  # one row a sample
    bank: Tensor
    version: Tensor
    first: Tensor

    def __init__(
        self,
        group: Family,
        start: Tensor | Solver | None = None,
        refresh: Refresh | None = None,
        every: int = 4,
        ready: int = 0,
        frames: OperatorFrames | None = None,
        share: float | None = None,
        constraint: Constraint = ANY_VALUE,
        noise: Noise = NOISELESS,
        error: Error = MEAN_SQUARE,
        scaling: Scaling = UNIT_NORM,
    ) -> None:
        super().__init__()
        if every < 1 or not (share is None or 0 < share <= 1):
            raise InputError(f"expected every of at least 1 pass and a share in (0, 1], but {every} and {share} came")
        if refresh is not None and refresh.hidden is not None and (start is None or isinstance(start, Tensor)):
            raise InputError(
                f"expected a reconstructor as start for {type(refresh).__name__}, which compares f with it, but "
                f"{'images' if isinstance(start, Tensor) else 'nothing'} came: name it, or choose Always or Never"
            )
        self.group, self.start, self.refresh, self.share = group, start, refresh, share
        self.every, self.ready, self.frames = every, ready, frames
        self.constraint, self.noise, self.error, self.scaling = constraint, noise, error, scaling
        self.problems = ReadyProblems(ready, every) if ready else None
        hidden = self._rule.hidden
        self.judge = None if hidden is None else Judge(self._rule, hidden, scaling)
        self.register_buffer("version", torch.zeros((), dtype=torch.int64))

    @property
    def _maker(self) -> Maker:
        return Maker(self.group, self.constraint, self.noise, self.frames)

    @property
    def _rule(self) -> Refresh:
        return self.refresh or (ALWAYS if self.start is None else NEVER)

    @property
    def _share(self) -> float:
        return self.share or (1.0 if self.start is None else 0.5)

    @property
    def detail(self) -> str:
        """The group's name."""
        return type(self.group).__name__

    @property
    def families(self) -> tuple[Family, ...]:
        """The transformations of images and of operators."""
        named = () if self.frames is None else (self.frames.group, self.frames.images)
        return (self.group, *(one for one in named if one is not None))

    def prepare(self, blocks: Iterable[Evidence]) -> None:
        """Fill the bank from the whole training set, and estimate the errors of its images where the rule asks."""
        images = torch.cat([self._begin(evidence) for evidence in blocks])
        if isinstance(self.start, Tensor):
            images = _given(self.start.to(images), images.shape)
        self.bank, self.version = images, torch.zeros_like(self.version)
        self.first = images.clone() if self._share < 1 and self._rule.renews else images[:0]
        if self.judge is not None:
            assert self.start is not None and not isinstance(self.start, Tensor)
            self.judge.prepare(blocks, images, self.start, self._maker)
        if self.problems is not None:
            parts = [part for evidence in blocks for part in _pieces(evidence, self.ready)]
            self.problems.fill([self._ahead(part, apart(part).draws.later()) for part in parts])

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the error of a batch."""
        with torch.no_grad():
            made = self._problem(evidence)
        x3 = evidence.reconstruct(made.y2, made.physics, start=made.start, draws=evidence.draws.later())
        unit = self.scaling.image_unit(evidence)
        return mean_error(self.error, x3 / unit, made.x2 / unit)

    @torch.no_grad()
    def update(self, evidence: Evidence) -> None:
        """Judge f on the samples of the batch that are due and renew their images where the rule allows it."""
        f = evidence.smoothed or evidence.reconstruct
        for row, i in enumerate(evidence.ids.tolist()):
            if (i + evidence.draws.epoch) % self.every:
                continue
            one = evidence.take([row])
            if self._allowed(f, one):
                new = f(one.y, one.physics, start=one.start, draws=one.draws)[0].to(self.bank)
                self.bank[i] = new if self._share == 1 else torch.lerp(self.first[i], new, self._share)
                self.version += 1
            if self.problems is not None:
                self.problems.renew(i, self._ahead(one, one.draws.later()))

    def _allowed(self, f: Reconstruct, one: Evidence) -> bool:
        if self.judge is None:
            return self._rule.allows(one.progress, None, None)
        return self._rule.allows(one.progress, float(self.judge.of(f, one)), float(self.judge.errors[one.ids]))

    def _problem(self, evidence: Evidence) -> Made:
        if self.training and self.problems is not None and len(self.problems.images):
            x2, y2, start, which = self.problems.take(evidence.ids, evidence.draws.epoch)
            like = evidence.y
            return Made(x2.to(like), y2.to(like), self._maker.framed(evidence.physics, which), which, start.to(like))
        return self._maker.make(self._images(evidence), evidence)

    def _ahead(self, evidence: Evidence, draws: Draws) -> Problems:
        """Return new problems of the samples' images, each part ``(batch, ready, ...)``."""
        size = len(evidence.y)
        several = replace(evidence.unlabelled().take([*range(size)] * self.ready), draws=draws.repeat(self.ready))
        made = self._maker.make(self.bank[several.ids].to(evidence.y), several)
        start = begun(evidence.reconstruct, made.y2, made.physics)
        x, y, u, k = (
            part.reshape(self.ready, size, *part.shape[1:]).transpose(0, 1)
            for part in (made.x2, made.y2, start, made.which)
        )
        return x.to(self.bank), y.to(self.bank), u.to(self.bank), k.to(self.bank.device)

    def _images(self, evidence: Evidence) -> Image:
        if not self.training:
            return evidence.x1
        if not len(self.bank):
            raise InputError("expected a bank that is filled, but it is empty: call prepare first, as training does")
        return self.bank[evidence.ids].to(evidence.y)

    def _begin(self, evidence: Evidence) -> Image:
        if isinstance(self.start, Tensor):
            return evidence.y.new_zeros(len(evidence.y), *evidence.physics.image_shape)
        known = evidence.start if self.start is None else None  # what f begins with, not what another one does
        f = self.start or evidence.reconstruct
        return f(evidence.y, evidence.physics, start=known, draws=evidence.draws)


def _pieces(evidence: Evidence, copies: int) -> Iterator[Evidence]:
    """Cut a block, so that its pieces with so many copies of each sample are about as large as it."""
    size = max(1, len(evidence.y) // copies)
    for first in range(0, len(evidence.y), size):
        yield evidence.take(range(first, min(first + size, len(evidence.y))))


def _given(images: Image, shape: Sequence[int]) -> Image:
    if tuple(images.shape) != tuple(shape):
        raise InputError(
            f"expected images of shape {tuple(shape)} for the bank, one a training sample in their order, but "
            f"{tuple(images.shape)} came"
        )
    return images.clone()

"""Equivariance with a bank of virtual images: the target is known before the step, which takes one pass."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nullsight.constraints import AnyValue, Constraint
from nullsight.draws import Draws
from nullsight.groups.base import Family
from nullsight.losses.base import Evidence, Loss
from nullsight.losses.errors import MEAN_SQUARE, UNIT_NORM, Error, Scaling, mean_error
from nullsight.losses.evidence import Reconstruct, begun
from nullsight.losses.frames import OperatorFrames
from nullsight.losses.growing import Growing
from nullsight.losses.making import Made, Maker
from nullsight.losses.ready import Problems, ReadyProblems
from nullsight.losses.refresh import Always, Never, Refresh
from nullsight.losses.splitting import hidden_errors
from nullsight.noise import Noise, Noiseless
from nullsight.physics.splits import Split
from nullsight.types import Image, InputError, Scalar

NOISELESS = Noiseless()
ALWAYS, NEVER = Always(), Never()
ANY_VALUE = AnyValue()
_APART = 2**32  # the copy whose draws judge; steps have far fewer


class BankEquivariance(Growing, Loss):
    """The error between ``f(A T_g v + noise)`` and ``T_g v``, with v the sample's image in a bank, not differentiated.

    Plain :class:`~nullsight.losses.Equivariance` has ``v = x1 = f(y)`` of the moment and its gradient goes through
    both sides. Here v is kept from before, so that a step takes one pass of f instead of two and the target cannot
    give way. The bank begins with ``start`` and each image is renewed, now and then, with what the averaged (EMA)
    reconstructor makes of the sample's measurement, where ``refresh`` allows it. In evaluation, and so for held-out
    measurements, ``v = f(y)``. The detached target is the one of Chen, Tachella, Davies, "Equivariant Imaging", ICCV
    2021, equation (5), without its first gradient.

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
        noise: what virtual measurements get: that of the real ones, drawn anew at each step.
        error: how far two images are apart.
        scaling: their unit.

    Attributes:
        bank: the images, ``(samples, *image_shape)``, part of every checkpoint; empty before a training.
        version: how many images have been renewed.
        first: the images that it began with; empty where nothing asks for them any more.
        errors: their estimated errors, in the loss's unit, where ``refresh`` compares; else empty.

    Raises:
        InputError: ``every`` below 1, a share outside (0, 1], or a rule that compares f with a reconstructor where
            ``start`` is none.

    Example:
        >>> from nullsight.groups import Dihedral
        >>> (10 * BankEquivariance(Dihedral(4))).names
        ['BankEquivariance']
    """

    growing = ("bank", "first", "errors")  # one row a sample
    bank: Tensor
    version: Tensor
    first: Tensor
    errors: Tensor

    def __init__(
        self,
        group: Family,
        start: Tensor | Reconstruct | None = None,
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
        self.problems = ReadyProblems(ready, every) if ready else None
        self.constraint, self.noise, self.error, self.scaling = constraint, noise, error, scaling
        for name in self.growing:
            self.register_buffer(name, torch.zeros(0))
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

    def prepare(self, blocks: Iterable[Evidence]) -> None:
        """Fill the bank from the whole training set, and estimate the errors of its images where the rule asks."""
        images = torch.cat([self._begin(evidence) for evidence in blocks])
        if isinstance(self.start, Tensor):
            images = _given(self.start.to(images), images.shape)
        self.bank, self.version = images, torch.zeros_like(self.version)
        self.first = images.clone() if self._share < 1 or self._rule.hidden is not None else images[:0]
        self.errors = images[:0]
        if self._rule.hidden is not None:
            self._judge_first(blocks, self._rule.hidden)
        if self.problems is not None:
            self.problems.fill([self._ahead(evidence, _fixed(evidence).draws) for evidence in blocks])

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the error of a batch."""
        with torch.no_grad():
            made = self._problem(evidence)
        x3 = evidence.reconstruct(made.y2, made.physics, start=made.start, draws=evidence.draws.later())
        return self._between(x3, made.x2, evidence)

    @torch.no_grad()
    def update(self, evidence: Evidence) -> None:
        """Judge f on the samples of the batch that are due and renew their images where the rule allows it."""
        f = evidence.smoothed or evidence.reconstruct
        for row, i in enumerate(evidence.ids.tolist()):
            if (i + evidence.draws.epoch) % self.every:
                continue
            one = evidence.take([row])
            if self.problems is not None:
                self.problems.renew(i, self._ahead(one, one.draws.later()))
            now = float(self._judged(f, one)) if len(self.errors) else None
            first = float(self.errors[i]) if len(self.errors) else None
            if self._rule.allows(evidence.progress, now, first):
                new = f(one.y, one.physics, start=one.start, draws=one.draws)[0].to(self.bank)
                self.bank[i] = new if self._share == 1 else torch.lerp(self.first[i], new, self._share)
                self.version += 1

    def _problem(self, evidence: Evidence) -> Made:
        if self.training and self.problems is not None and len(self.problems.images):
            return self._kept(self.problems, evidence, evidence.draws.epoch)
        return self._maker.make(self._images(evidence), evidence)

    def _kept(self, problems: ReadyProblems, evidence: Evidence, epoch: int) -> Made:
        x2, y2, start, which = problems.take(evidence.ids, epoch)
        like = evidence.y
        return Made(x2.to(like), y2.to(like), self._maker.framed(evidence.physics, which), which, start.to(like))

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

    def _judged(self, f: Reconstruct, one: Evidence) -> Tensor:
        """Return the error of f on a virtual problem of this sample that it has not met in a step."""
        if self.problems is None:
            return self._errors_of(f, self._problems(one), one)
        made = self._kept(self.problems, one, one.draws.epoch + 1)
        return self._between(f(made.y2, made.physics, start=made.start, draws=one.draws), made.x2, one)

    def _images(self, evidence: Evidence) -> Image:
        if not self.training:
            return evidence.x1
        if not len(self.bank):
            raise InputError("expected a bank that is filled, but it is empty: call prepare first, as training does")
        return self.bank[evidence.ids].to(evidence.y)

    def _between(self, x3: Image, x2: Image, evidence: Evidence) -> Scalar:
        unit = self.scaling.image_unit(evidence)
        return mean_error(self.error, x3 / unit, x2 / unit)

    def _begin(self, evidence: Evidence) -> Image:
        if isinstance(self.start, Tensor):
            return evidence.y.new_zeros(len(evidence.y), *evidence.physics.image_shape)
        known = evidence.start if self.start is None else None  # what f begins with, not what another one does
        f = self.start or evidence.reconstruct
        return f(evidence.y, evidence.physics, start=known, draws=evidence.draws)

    def _judge_first(self, blocks: Iterable[Evidence], split: Split) -> None:
        assert self.start is not None and not isinstance(self.start, Tensor)
        hidden, known, predicted = [], [], []
        residual, stride = self._rule.residual, -(-len(self.bank) // self._rule.samples)
        for evidence in map(_fixed, blocks):
            hidden.append(hidden_errors(self.start, evidence, split, residual, self.scaling))
            rows = [row for row, i in enumerate(evidence.ids.tolist()) if i % stride == 0]
            if rows:
                some = evidence.take(rows)
                x2 = self._problems(some)
                again = replace(some, y=self._maker.measure(x2, some.physics, some.draws), start=None)
                known.append(self._errors_of(self.start, x2, some))
                predicted.append(hidden_errors(self.start, again, split, residual, self.scaling))
        self.errors = torch.cat(known).sum() / torch.cat(predicted).sum() * torch.cat(hidden)

    def _problems(self, evidence: Evidence) -> Image:
        """Return the first images of these samples, turned the same way in every pass."""
        return self._maker.turn(self.first[evidence.ids].to(evidence.y), _fixed(evidence).draws)

    def _errors_of(self, f: Reconstruct, x2: Image, evidence: Evidence) -> Tensor:
        """Return the error of each row, ``(batch,)``; the noise in it depends on the samples alone."""
        known = _fixed(evidence)
        with torch.no_grad():
            x3 = f(self._maker.measure(x2, known.physics, known.draws), known.physics, draws=known.draws)
            rows = range(len(x2))
            return torch.stack([self._between(x3[[k]], x2[[k]], known.take([k])) for k in rows])


def _fixed(evidence: Evidence) -> Evidence:
    """Return the evidence with draws that are the same in every pass, and other ones than a training step has."""
    ids = tuple(evidence.ids.tolist())
    return replace(evidence.unlabelled(), draws=Draws(evidence.draws.seed, 0, ids, (_APART,) * len(ids)))


def _given(images: Image, shape: Sequence[int]) -> Image:
    if tuple(images.shape) != tuple(shape):
        raise InputError(
            f"expected images of shape {tuple(shape)} for the bank, one a training sample in their order, but "
            f"{tuple(images.shape)} came"
        )
    return images.clone()

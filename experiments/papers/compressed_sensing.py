"""Compressed sensing of small figures like written digits, learned from random projections alone by shifts.

After the compressed-sensing example of "Equivariant Imaging" (Chen, Tachella, Davies, ICCV 2021): each image is seen
through the same Gaussian matrix with fewer rows than there are pixels. A random matrix does not commute with shifts, so
they bring its null space into view. The figures are made by rule (``nullsight.data.stroke_images``) and may stand
anywhere on a torus. Run it with ``python experiments/papers/compressed_sensing.py``; it takes a few minutes on one core
and prints a table.
"""

import sys

import torch

import nullsight as ns

METHODS = ("measurement consistency", "equivariant imaging", "supervised")


def loss_of(method: str, size: int) -> ns.losses.Loss:
    """Return the loss of one row of the table, for images of ``size`` x ``size`` pixels."""
    equivariance = ns.losses.Equivariance(ns.groups.Shifts((size, size)))
    losses: dict[str, ns.losses.Loss] = {
        "measurement consistency": ns.losses.MeasurementConsistency(),
        "equivariant imaging": ns.losses.MeasurementConsistency() + 0.1 * equivariance,
        "supervised": ns.losses.Supervised(),
    }
    return losses[method]


def compare(
    *, size: int, measurements: int, train: int, test: int, steps: int, seed: int, methods: tuple[str, ...] = METHODS
) -> ns.evaluation.Evaluation:
    """Train one unrolled reconstructor a method and score all on the same test images, beside ``A_dagger y``.

    Args:
        size: of the images, pixels a side, at least 11.
        measurements: rows of the matrix.
        train: images to measure and train on.
        test: images to score on.
        steps: weight updates of every training.
        seed: of images, weights and draws; the matrix is the same for all seeds.
        methods: which ones.
    """
    x = ns.data.stroke_images(train + test, size, seed)
    physics = ns.physics.MatrixOperator((1, size, size), ns.physics.gaussian_matrix(measurements, size**2, seed=1))
    y = physics.A(x)
    settings = ns.training.Settings(seed=seed, steps=steps, batch_size=16, optimiser=ns.training.Adam(4e-3))
    trained = {}
    for method in methods:
        stages = ns.networks.copies(ns.networks.Shuffled(1, width=32, depth=4, seed=seed), 4)
        f, loss = ns.reconstructors.UnrolledUntied(stages), loss_of(method, size)
        truth = x[:train] if loss.needs_truth else None
        silent = ns.training.Silent()
        run = ns.fit(f, y[:train], physics, loss, settings=settings, truth=truth, display=silent)
        trained[method] = run.reconstructor
    return ns.evaluate(
        trained[methods[0]],
        ns.data.MeasurementSet(y[train:], physics),
        ns.data.TruthSet(x[train:]),
        name=methods[0],
        baselines={"A_dagger y": ns.evaluation.dagger, **{name: trained[name] for name in methods[1:]}},
        batch_size=test,
        data_range=ns.evaluation.FixedRange(1.0),
    )


def main(size: int = 16, measurements: int = 102, steps: int = 1000) -> None:
    print(f"{size} x {size} pixels, {measurements} measurements ({100 * measurements / size**2:.0f} %)")
    print(f"{'':26}{'PSNR dB':>8}  {'95 % interval':15}{'|A f(y) - y| / |y|':>20}")
    found = compare(size=size, measurements=measurements, train=600, test=60, steps=steps, seed=0)
    for name in ("A_dagger y", *METHODS):
        interval = found.mean(name, "psnr")
        residual = found.mean(name, "residual").mean
        print(f"{name:26}{interval.mean:8.2f}  [{interval.low:.2f}, {interval.high:.2f}] {residual:20.4f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())

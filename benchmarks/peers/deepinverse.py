"""DeepInverse's side of the benchmarks: a process in the environment of the peers that answers requests.

One request a line on standard input, one answer a line on standard output, both JSON:
``{"do": NAME, ...arguments}`` gives ``{"ok": VALUE}`` or ``{"error": SENTENCE}``. It imports nothing of nullsight.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

warnings.filterwarnings("ignore")


def import_deepinv() -> Any:
    """Import DeepInverse, also beside a torch for which torchvision's compiled operators cannot be loaded.

    Nothing here uses them (they find boxes in pictures), but torchvision describes two of them when it is imported,
    which fails where they are not defined.
    """
    try:
        import torchvision  # noqa: F401
    except (RuntimeError, OSError):
        for name in [one for one in sys.modules if one.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import_deepinv.kept = library  # type: ignore[attr-defined]  # its definitions go when it goes
    import deepinv

    return deepinv


dinv = import_deepinv()


def tomography(size: int, views: int, *, normalize: bool = False) -> Any:
    """Return its parallel-beam operator with the exact adjoint, its default."""
    angles = torch.arange(views) * (180.0 / views)
    return dinv.physics.Tomography(angles=angles, img_width=size, circle=False, normalize=normalize)


class WithFBP(nn.Module):
    """Its artifact removal with filtered back-projection in place of its default inverse (conjugate gradients)."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, y: Tensor, physics: Any) -> Tensor:
        """Return the network's image."""
        return self.backbone(physics.A_dagger(y, fbp=True))


class Step:
    """One step of equivariant imaging with its own losses, U-Net and rotations (bilinear)."""

    def __init__(self, physics: Any, rate: float, *, seed: int, width: int = 64, scales: int = 4) -> None:
        torch.manual_seed(seed)
        self.physics = physics
        self.network = dinv.models.UNet(1, 1, channels_per_scale=[width * 2**k for k in range(scales)])
        self.model = WithFBP(self.network)
        self.consistency = dinv.loss.MCLoss()
        turn = dinv.transform.Rotate(n_trans=1, interpolation_mode="bilinear", rng=torch.Generator().manual_seed(seed))
        self.equivariance = dinv.loss.EILoss(turn)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=rate)

    def __call__(self, y: Tensor) -> float:
        """Take a step and return the loss."""
        x = self.model(y, self.physics)
        loss = self.consistency(y=y, x_net=x, physics=self.physics)
        loss = loss + self.equivariance(x_net=x, physics=self.physics, model=self.model)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())


class Server:
    """What the requests are about; each method is one of them."""

    def __init__(self) -> None:
        self.calls: dict[str, Callable[[], object]] = {}

    def versions(self) -> dict[str, str]:
        """Return what is installed here."""
        return {"deepinv": str(dinv.__version__), "torch": torch.__version__}

    def operator(self, size: int, views: int, image: list[list[float]]) -> dict[str, object]:
        """Build an operator and return the projections and the filtered back-projection of one image."""
        self.physics = tomography(size, views)
        x = torch.tensor(image)[None, None]
        y = self.physics.A(x)
        return {"y": y[0, 0].T.tolist(), "x": self.physics.A_dagger(y, fbp=True)[0, 0].tolist()}

    def batch(self, size: int, batch: int) -> None:
        """Make ready to time the operator on a batch."""
        physics, x = self.physics, torch.rand(batch, 1, size, size, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            y = physics.A(x)
        self.calls = {
            "A": lambda: physics.A(x),
            "A^T": lambda: physics.A_adjoint(y),
            "FBP": lambda: physics.A_dagger(y, fbp=True),
        }

    def step(self, size: int, views: int, batch: int, width: int, scales: int) -> int:
        """Build an EI step and return the number of its weights."""
        physics = tomography(size, views, normalize=True)
        with torch.no_grad():
            y = physics.A(torch.rand(batch, 1, size, size, generator=torch.Generator().manual_seed(0)))
        step = Step(physics, 5e-4, seed=0, width=width, scales=scales)
        self.calls = {"step": lambda: step(y)}
        return sum(p.numel() for p in step.network.parameters())

    def time(self, what: str, seconds: float, least: int) -> list[float]:
        """Return the times of repeated calls after one that is not counted."""
        call = self.calls[what]
        with torch.set_grad_enabled(what == "step"):
            call()
            times: list[float] = []
            while len(times) < least or sum(times) < seconds:
                start = time.perf_counter()
                call()
                times.append(time.perf_counter() - start)
        return times


def main() -> None:
    torch.set_num_threads(1)
    server, out = Server(), sys.stdout
    sys.stdout = sys.stderr  # what the library prints is no answer
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": getattr(server, request.pop("do"))(**request)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()

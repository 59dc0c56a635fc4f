"""The one door to Lightning Fabric: precision, device, and several processes that share each batch.

Gradients are averaged over processes by a sum weighted with the number of samples, not by the DDP wrapper: f is called
several times a step, and an epoch's last batch may be uneven. Batch statistics (BatchNorm) are each process's own.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessRaisedException

from nullsight.types import InputError

# What a precision means for weights and data; mixed precisions compute some operations shorter inside f only.
PRECISIONS = {
    "32-true": torch.float32,
    "64-true": torch.float64,
    "bf16-mixed": torch.float32,
    "16-mixed": torch.float32,
}
_SENTENCE = f"{InputError.__name__}: "
# What each accelerator's name stands for, the first that is there; and precisions that only some devices have.
_DEVICES: dict[str, tuple[str, ...]] = {"auto": ("cuda", "cpu"), "cpu": ("cpu",), "cuda": ("cuda",)}
_PLACES = {"16-mixed": ("cuda",)}


class Backend:
    """Where and how precisely the loop computes.

    Args:
        precision: a key of ``PRECISIONS``.
        accelerator: "auto", "cpu" or "cuda".
        processes: how many share each batch.

    Raises:
        InputError: an unknown precision, a device that is not there, or "16-mixed" on a CPU.
    """

    def __init__(self, precision: str, accelerator: str, processes: int) -> None:
        self.precision, self.accelerator, self.processes = precision, accelerator, processes
        self.fabric = _fabric(precision, accelerator, processes)
        self.dtype = PRECISIONS[precision]

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        device: torch.device = self.fabric.device
        return device

    @property
    def rank(self) -> int:
        """Which process this is, from 0."""
        return int(self.fabric.global_rank)

    @property
    def world(self) -> int:
        """How many processes there are."""
        return int(self.fabric.world_size)

    def launch(self, function: "Callable[[Backend], Any]") -> Any:
        """Run ``function(backend)`` in every process and return what the first one returned."""
        if self.processes == 1:
            return self.fabric.launch(_Entered(function, self))
        try:
            return self.fabric.launch(_Entered(function, self))
        except ProcessRaisedException as error:
            last = str(error).strip().splitlines()[-1]
            if _SENTENCE in last:  # only text comes back from another process
                raise InputError(last.split(_SENTENCE, 1)[1]) from None
            raise

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which f is computed."""
        context: AbstractContextManager[Any] = self.fabric.autocast()
        return context

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of ``loss``, scaled where fp16 needs it."""
        self.fabric.strategy.backward(loss, None)

    def unscale(self, optimiser: torch.optim.Optimizer) -> None:
        """Undo the scaling of fp16 gradients, before they are clipped."""
        self.fabric.strategy.precision.unscale_gradients(optimiser)

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        """Move the weights; with fp16 a step with infinite gradients is left out."""
        self.fabric.strategy.optimizer_step(optimiser)

    def scaler_state(self) -> dict[str, Any]:
        """Return the fp16 gradient scaler's state, empty for other precisions."""
        state: dict[str, Any] = self.fabric.strategy.precision.state_dict()
        return state

    def load_scaler_state(self, state: dict[str, Any]) -> None:
        """Take the state of :meth:`scaler_state` back."""
        if state:
            self.fabric.strategy.precision.load_state_dict(state)

    @torch.no_grad()
    def average_gradients(self, parameters: Iterable[nn.Parameter], share: float) -> None:
        """Sum gradients over processes, this one's times ``share`` (its part of the batch's samples)."""
        if self.world == 1:
            return
        every = [p for p in parameters if p.requires_grad]
        for dtype in sorted({p.dtype for p in every}, key=str):
            some = [p for p in every if p.dtype == dtype]
            pieces = [(torch.zeros_like(p) if p.grad is None else p.grad * share).flatten() for p in some]
            has = torch.tensor([float(p.grad is not None) for p in some], dtype=dtype, device=self.device)
            flat = torch.cat([*pieces, has])
            dist.all_reduce(flat)
            present = flat[-len(some) :].tolist()
            for p, piece, there in zip(
                some, torch.split(flat, [p.numel() for p in some] + [len(some)]), present, strict=False
            ):
                p.grad = piece.view_as(p).clone() if there else None

    def any(self, flag: bool) -> bool:
        """Return whether ``flag`` holds in any process."""
        if self.world == 1:
            return flag
        count = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(count)
        return bool(count > 0)

    def gather(self, value: Any) -> list[Any]:
        """Return every process's ``value``."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value)
        return found

    def from_first(self, compute: Callable[[], Any]) -> Any:
        """Return what the first process computes; the others wait for it."""
        return self.gather(compute() if self.rank == 0 else None)[0]


class _Entered:
    """A function of the backend in the form that Fabric launches (and can send to another process)."""

    def __init__(self, function: Callable[[Backend], Any], backend: Backend) -> None:
        self.function, self.backend = function, backend

    def __call__(self, fabric: Any) -> Any:
        self.backend.fabric = fabric
        try:
            return self.function(self.backend)
        finally:
            if self.backend.world > 1:
                dist.destroy_process_group()


def _fabric(precision: str, accelerator: str, processes: int) -> Any:
    if precision not in PRECISIONS:
        raise InputError(f"expected a precision among {', '.join(PRECISIONS)}, but {precision!r} came")
    if accelerator not in _DEVICES:
        raise InputError(f"expected an accelerator among {', '.join(_DEVICES)}, but {accelerator!r} came")
    there = {"cpu": processes, "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0}
    wanted = _DEVICES[accelerator]
    device = next((one for one in wanted if there[one]), wanted[-1])
    if there[device] < processes:
        raise InputError(f"expected {processes} {device} devices, but {there[device]} are there: use fewer or the CPU")
    if device not in _PLACES.get(precision, (device,)):
        raise InputError(f"expected a GPU for precision {precision!r}, but the device is the CPU: use 'bf16-mixed'")
    from lightning_fabric import Fabric  # heavy: half a second

    strategy = "auto" if processes == 1 else "ddp_spawn"
    return Fabric(accelerator=device, devices=processes, strategy=strategy, precision=precision)  # type: ignore[arg-type]


@contextmanager
def computing_with(threads: int | None) -> Iterator[None]:
    """Compute with so many threads, and with as many as before afterwards; None: as it is."""
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)

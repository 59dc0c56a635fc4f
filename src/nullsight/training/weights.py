"""Weights as safetensors: never a pickle; a tensor shared by tied modules is stored once."""

import json
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from nullsight.types import InputError

_ALIASES = "tied"


def weights_to_bytes(state: dict[str, Tensor]) -> bytes:
    """Return a state dict as the content of a safetensors file; names of tied tensors go to its metadata."""
    kept: dict[str, Tensor] = {}
    first: dict[tuple[object, ...], str] = {}
    tied: dict[str, str] = {}
    for name, tensor in state.items():
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device)
        if tensor.numel() and key in first:
            tied[name] = first[key]
        else:
            first[key] = name
            # a copy of its own, as views into one storage cannot be stored side by side
            kept[name] = tensor.detach().to("cpu", memory_format=torch.contiguous_format, copy=True)
    return safetensors.torch.save(kept, metadata={_ALIASES: json.dumps(tied)})


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the state dict stored at ``path``.

    Raises:
        InputError: no such file, or it is cut off, or no safetensors file (a pickle, say).
    """
    try:
        with safe_open(path, framework="pt") as content:
            state = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
            tied = json.loads((content.metadata() or {}).get(_ALIASES, "{}"))
    except OSError as error:
        raise InputError(f"expected weights at {path}, but they cannot be read ({error.strerror or error})") from None
    except (SafetensorError, ValueError) as error:
        raise InputError(
            f"expected safetensors weights at {path}, but {_kind(path)} came ({error}): use another checkpoint"
        ) from None
    return {**state, **{name: state[source] for name, source in tied.items()}}


def load_weights(path: Path, module: nn.Module) -> None:
    """Copy the weights at ``path`` into ``module``; InputError where they are another network's."""
    load_state(read_weights(path), module, str(path))


def load_state(state: dict[str, Tensor], module: nn.Module, source: str) -> None:
    """Copy a state dict into ``module``; InputError where it does not fit, and then nothing is changed."""
    own = module.state_dict()
    for name in [*own, *state]:
        there = name in own and name in state
        if not there or own[name].shape != state[name].shape:
            wanted = f"{name} of shape {tuple(own[name].shape)}" if name in own else f"no {name}"
            came = f"shape {tuple(state[name].shape)}" if name in state else "none"
            raise InputError(
                f"expected weights of this {type(module).__name__} in {source}, with {wanted}, but {came} came: "
                f"build it with the same arguments as the run that made them"
            )
    module.load_state_dict(state)


def _kind(path: Path) -> str:
    with open(path, "rb") as file:
        magic = file.read(2)
    if magic == b"PK" or magic[:1] == b"\x80":
        return "a pickle, which could run any code,"
    return "a file that is cut off or of another kind"

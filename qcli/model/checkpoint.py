"""Tensors on disk, in safetensors: nothing in such a file is ever executed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from qcli.errors import QcliError
from qcli.files import sha256, write_atomic

_FIX = "restore the file, or train again in another directory"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors atomically; in the file's header JSON facts and the hash of the tensors' bytes."""
    own = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    header = {"facts": dict(facts), "sha256": _digest(safetensors.torch.save(own))}
    write_atomic(path, safetensors.torch.save(own, {"qcli": json.dumps(header)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a file that `save_tensors` wrote.

    Raises:
        QcliError: the file is missing, truncated, corrupt, or not written by qcli.
    """
    if not path.is_file():
        raise QcliError(
            f"{path.name} is missing", str(path.parent), "finish the training: qcli train --resume RUN"
        )
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["qcli"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts, digest = header["facts"], header["sha256"]
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise QcliError(
            f"{path.name} is not a checkpoint of qcli, or is cut short ({error})", str(path), _FIX
        ) from None
    if digest != _digest(path.read_bytes()) or not isinstance(facts, dict):
        raise QcliError(f"{path.name} is damaged: its tensors are not those that were saved", str(path), _FIX)
    return tensors, facts


def _digest(content: bytes) -> str:
    """Hash of the tensors of a safetensors file: what follows the header and the 8 bytes of its length."""
    return sha256(content[8 + int.from_bytes(content[:8], "little") :])


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy tensors into the model.

    Raises:
        QcliError: names or shapes differ (the file belongs to another model), or a value is not finite.
    """
    check_weights(model, tensors, path)
    model.load_state_dict(dict(tensors))


def check_weights(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raises QcliError as `load_weights` does."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if expected != found:
        differing = sorted(set(expected.items()) ^ set(found.items()))[0][0]
        raise QcliError(
            f"{path.name} belongs to another model: {differing} is {found.get(differing, 'absent')}, "
            f"the model has {expected.get(differing, 'none of that name')}",
            str(path),
            "use the run directory that this model was trained in",
        )
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise QcliError(f"{path.name}: {name} is not finite", str(path), _FIX)

"""Tensors on disk, in safetensors: nothing in such a file is ever executed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from qcli.errors import QcliError
from qcli.files import write_atomic


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors, and JSON facts in the file's header, atomically."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomic(path, safetensors.torch.save(contiguous, {"qcli": json.dumps(dict(facts))}))


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
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(header["qcli"])
    except (safetensors.SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise QcliError(
            f"{path.name} is not a checkpoint of qcli, or is damaged ({error})",
            str(path),
            "restore the file or train again",
        ) from None


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy tensors into the model.

    Raises:
        QcliError: names or shapes differ: the file belongs to another model.
    """
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
    model.load_state_dict(dict(tensors))

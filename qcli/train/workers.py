"""The processes that share a training, and the one thing they do together: adding up.

There is no DistributedDataParallel here. Hybrid models have hundreds of parameters, not millions: one flat sum after
the backward pass is a single message, needs no hooks or buckets, carries loss and signals in the same round, and lets
a process that has no row in a batch take part.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, nn

from qcli.errors import QcliError

PEER_LOST = "another process of this training has ended"
_PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True)
class Workers:
    """This process among those that train one model together. `device`: where sums are made."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    def share(self, rows: Tensor) -> Tensor:
        """This process's part of `rows` `(rows,)`: every row is in one part, parts differ by at most one row."""
        return rows.tensor_split(self.size)[self.rank]

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, the same to the bit in each.

        Raises:
            QcliError: another process has ended.
        """
        if self.size == 1:
            return values
        total = values.to(self.device, copy=True)
        try:
            torch.distributed.all_reduce(total)
        except RuntimeError as error:
            raise QcliError(
                PEER_LOST, f"process {self.rank} of {self.size}: {error}", "see its own error", exit_code=1
            ) from None
        return total.to(values.device)

    def sum_gradients(self, parameters: Sequence[nn.Parameter], figures: Tensor) -> Tensor:
        """Add up gradients in place and return the summed figures `(figures,)`, float64, all in one round.

        A parameter that no process has a gradient of is left without.
        """
        if self.size == 1:
            return figures
        own = [parameter.grad for parameter in parameters]
        used = torch.tensor([grad is not None for grad in own], dtype=torch.float64)
        parts = [
            (torch.zeros_like(parameter) if grad is None else grad).detach().double().cpu().reshape(-1)
            for parameter, grad in zip(parameters, own, strict=True)
        ]
        sizes = [len(figures), len(used), *map(len, parts)]
        summed, used, *gradients = self.sum(torch.cat([figures, used, *parts])).split(sizes)
        for parameter, count, gradient in zip(parameters, used.tolist(), gradients, strict=True):
            parameter.grad = gradient.view_as(parameter).to(parameter) if count else None
        return summed

    def check_same(self, steps: int) -> None:
        """Refuse to start from different places.

        Raises:
            QcliError: the processes have read different checkpoints.
        """
        own = torch.tensor([steps, steps**2], dtype=torch.float64)
        total = self.sum(own)
        if total.tolist() != (own * self.size).tolist():
            raise QcliError(
                f"the processes start from different checkpoints; this one has done {steps} steps",
                f"process {self.rank} of {self.size}",
                "give all of them the same run directory, on a shared file system",
                exit_code=1,
            )


ALONE = Workers()


@contextmanager
def joined() -> Iterator[Workers]:
    """Join the processes that RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT tell of; alone where they are not set.

    NCCL adds up where every process of this machine (LOCAL_RANK, LOCAL_WORLD_SIZE) has a CUDA device of its own; gloo
    elsewhere, so that several may share one.

    Raises:
        QcliError: the variables make no sense, or the others do not come.
    """
    try:
        size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
        local = int(os.environ.get("LOCAL_RANK", "0"))
        of_machine = int(os.environ.get("LOCAL_WORLD_SIZE", str(size)))
    except ValueError as error:
        raise QcliError(
            f"not a number: {error}", "RANK, WORLD_SIZE, LOCAL_RANK", "start with torchrun"
        ) from None
    if size == 1:
        yield ALONE
        return
    gpus = torch.cuda.device_count()
    if gpus:
        torch.cuda.set_device(local % gpus)
    nccl = gpus >= of_machine and torch.distributed.is_nccl_available()
    try:
        torch.distributed.init_process_group("nccl" if nccl else "gloo", timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise QcliError(
            f"the processes do not come together: {error}",
            f"process {rank} of {size}",
            "check MASTER_ADDR, MASTER_PORT and the network; GLOO_SOCKET_IFNAME names the interface",
            exit_code=1,
        ) from None
    try:
        yield Workers(rank, size, f"cuda:{local % gpus}" if nccl else "cpu")
    finally:
        torch.distributed.destroy_process_group()

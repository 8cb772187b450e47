"""One validation in a process of its own, forked from one that has imported and compiled everything already."""

import io
import logging
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from decimal import Decimal
from pathlib import Path

import boto3
import braket.aws
import qiskit_ibm_runtime
from qiskit_ibm_runtime.executor_sampler import Sampler

from qcli.assess.question import Spending
from qcli.assess.validate import validate_on_hardware
from qcli.compile.transpile import _stages
from qcli.device.catalogue import catalogue
from qcli.errors import QcliError
from qcli.price.sheet import load_sheets
from qcli.train.run import Run

__all__ = ["Sampler", "boto3", "braket", "qiskit_ibm_runtime", "validate"]

INFERENCES, SHOTS, CANARY = 60, 32, 4


def dry_run(path: str, device: str) -> dict[str, object]:
    return validate_on_hardware(Run.open(path), device, inferences=INFERENCES, shots=SHOTS)


def validate(path: str, device: str, cap: str, environment: dict[str, str]) -> None:
    """Exits with the code that the command would have."""
    os.environ.update(environment)
    logging.disable(logging.CRITICAL)
    said = io.StringIO()
    code = 0
    with redirect_stdout(said), redirect_stderr(said):
        try:
            validate_on_hardware(
                Run.open(path),
                device,
                inferences=INFERENCES,
                shots=SHOTS,
                spending=Spending(max_cost=Decimal(cap), canary=CANARY),
            )
        except QcliError as error:
            code = error.exit_code
            said.write(f"{error}\n")
        except BaseException as error:  # whatever it is, the harness counts it as a crash
            code = 70
            said.write(f"{type(error).__name__} {error}\n")
    if code:
        with Path(os.environ["CHAOS_LOG"]).open("a") as log:
            log.write(f"{device} {code} {said.getvalue().strip()}\n")
    sys.stdout.flush()
    os._exit(code)


def warm_up(path: str) -> None:
    """What a fork inherits; not the transpiler, whose threads would not be there."""
    run = Run.open(path)
    run.model()(run.rows("test", 1)[0])
    load_sheets()
    for device in catalogue().values():
        assert device.usable
    _stages()


if path := os.environ.get("CHAOS_RUN"):
    warm_up(path)

"""The same test samples through simulation and through a device, side by side."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from qcli.assess import on_hardware, on_pennylane, scored
from qcli.assess.inference import OnSamples
from qcli.assess.question import Spending, hardware_folder
from qcli.assess.rehearse import rehearse, simulate
from qcli.assess.request import Request
from qcli.errors import QcliError
from qcli.execute.emulator import Emulator
from qcli.execute.hardware import Progress
from qcli.execute.pennylane import PREFIX, is_pennylane
from qcli.execute.select import executor as executor_named
from qcli.execute.select import is_hardware
from qcli.price.plans import check_within
from qcli.train.run import Run

__all__ = ["hardware_folder", "rescore", "validate_on_hardware"]


def validate_on_hardware(
    run: Run,
    device: str,
    *,
    inferences: int | None = None,
    shots: int = 512,
    seed: int = 0,
    engine: str = "auto",
    precision: str = "float32",
    mitigation: Sequence[str] = (),
    adaptive: bool = False,
    max_flips: float | None = None,
    repetition: int = 0,
    vendor_compile: bool = False,
    contracts: Mapping[str, str] | None = None,
    device_options: Mapping[str, JsonValue] | None = None,
    unpriced: bool = False,
    spending: Spending | None = None,
    on_samples: OnSamples = lambda done, total: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_step: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Run the first `inferences` test samples (default 48, or all if fewer) in simulation and on `device`.

    Writes assessment.json and samples.csv under hardware/<device>/ and returns the assessment. On a real device nothing
    is submitted without `spending.max_cost`: what would be is returned instead, `"schema": "qcli.dry-run/1"`. Running
    the same again resumes.

    Args:
        engine, precision: of the simulation.
        mitigation: readout, zne=1,3; on hardware also debias (IonQ), twirl=16, trex, dd (IBM).
        adaptive: few shots for all samples, more only for those that are then unclear, so that at most `max_flips` of
            the labels hang on shot noise (default: as few as `shots` for every sample would flip).
        repetition: of a real device, another number measures everything anew.
        vendor_compile: submitted as written, for the vendor's compiler.
        contracts: by provider, such as `{"ibm": "flex"}`.
        device_options: of a PennyLane device (`pennylane:lightning.qubit`), for its constructor.
        unpriced: a PennyLane device may cost what qcli can neither price nor cap.
        on_samples: called with samples done and their number, on simulators and emulators.
        on_progress, on_step: the same of a real device: circuits, and what is done.

    Raises:
        QcliError: unknown device, too many inferences, shots the device does not take, a circuit too wide, the cap or
            a device without prices (exit code 3), the canary (4), or a fault of the service (1).
    """
    count = run.inferences(inferences)
    request = Request(
        device=device,
        inferences=count,
        shots=max(shots, 1),
        seed=max(seed, 0),
        mitigation=tuple(mitigation),
        adaptive=adaptive,
        max_flips=_share(max_flips) if adaptive else None,
        repetition=repetition,
        vendor_compile=vendor_compile,
        contracts=dict(contracts or {}),
        engine=engine,
        precision=precision,
    )
    if is_pennylane(device):
        check_within(shots, (1, None), device)
        return on_pennylane.validate(
            run, request, spending or Spending(), device_options or {}, unpriced, on_step
        )
    if device_options or unpriced:
        option = "--device-option" if device_options else "--unpriced"
        raise QcliError(
            f"{option} does not go with {device}", option, f"leave it out, or give --device {PREFIX}NAME"
        )
    if is_hardware(device):
        check_within(shots, (1, None), device)
        return on_hardware.validate(run, request, spending or Spending(), on_progress, on_step)
    executor = executor_named(device, shots, seed, engine, precision)
    if spending is not None and spending.max_cost is not None:
        raise QcliError(f"{device} costs nothing", "--max-cost", "leave it out")
    if isinstance(executor, Emulator):
        return rehearse(run, request, executor, on_samples, on_step)
    return simulate(run, request, executor, on_samples)


def rescore(run: Run, device: str, on_step: Callable[[str], None] = lambda step: None) -> dict[str, Any]:
    """The assessment of a device again, offline, from its journal alone.

    Raises:
        QcliError: no validation is recorded, or it is not complete.
    """
    again = on_pennylane.rescore if is_pennylane(device) else scored.rescore
    return again(run, device, on_step)


def _share(max_flips: float | None) -> float | None:
    if max_flips is not None and not 0 < max_flips < 1:
        raise QcliError(f"a share of flips of {max_flips}", "--max-flips", "choose a share between 0 and 1")
    return max_flips

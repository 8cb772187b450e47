"""Circuits as Amazon Braket takes them: OpenQASM programs, and program sets with inputs."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from qcli.circuit.qiskit import template
from qcli.compile.verbatim import native_qasm
from qcli.execute.service import Order

_ARGUMENT = re.compile(r"(?<=[(,])\s*(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(?=[,)])")


def program_action(source: str) -> str:
    from braket.ir.openqasm import Program

    return str(Program(source=source).json())


def set_action(sources: Sequence[str], parametrised: bool) -> str:
    """A program set of all; parametrised, neighbours of one form are one program with many inputs."""
    from braket.ir.openqasm import Program, ProgramSet

    programs: list[Any] = []
    if parametrised:
        for form, values in _forms(sources):
            programs.append(_bound(form, np.array(values, dtype=float)))
    else:
        programs = [Program(source=source, inputs={}) for source in sources]
    return str(ProgramSet(programs=programs).json())


def as_written(order: Order) -> str:
    """OpenQASM 3 for the vendor's compiler, on qubits numbered as the wires."""
    from qiskit_braket_provider import to_braket

    circuit, columns = template(order.program, order.angles)
    bound = circuit.assign_parameters(order.angles[columns])
    return native_qasm(to_braket(bound), physical=False)


def debiasing() -> str:
    from braket.device_schema.error_mitigation import Debias
    from braket.device_schema.ionq import IonqDeviceParameters

    parameters = IonqDeviceParameters(paradigmParameters={"qubitCount": 0}, errorMitigation=[Debias()])
    return str(parameters.json(exclude_none=True))


def _forms(sources: Sequence[str]) -> list[tuple[str, list[list[str]]]]:
    """Texts with their gates' arguments taken out, and the arguments, of each run of equal texts."""
    runs: list[tuple[str, list[list[str]]]] = []
    for source in sources:
        form, arguments = (
            _ARGUMENT.sub("{}", source.replace("{", "{{").replace("}", "}}")),
            _ARGUMENT.findall(source),
        )
        if not runs or runs[-1][0] != form:
            runs.append((form, []))
        runs[-1][1].append(arguments)
    return runs


def _bound(form: str, values: np.ndarray) -> Any:
    """One program with an input for each argument that differs: `values` `(circuits, arguments)`."""
    from braket.ir.openqasm import Program

    varying = (values != values[:1]).any(axis=0)
    names = [f"theta{k}" if varies else repr(float(values[0, k])) for k, varies in enumerate(varying)]
    declared = "".join(f"\ninput float theta{k};" for k in np.flatnonzero(varying))
    head, line, rest = form.partition("\n")
    inputs = {f"theta{k}": values[:, k].tolist() for k in np.flatnonzero(varying)}
    if not inputs:
        # a program without inputs is one executable: equal circuits differ in an input that does nothing
        declared, inputs = "\ninput float repetition;", {"repetition": [float(k) for k in range(len(values))]}
    return Program(source=head + declared + line + rest.format(*names), inputs=inputs)

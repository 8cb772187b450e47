"""OpenQASM 2 and 3 files as Qiskit circuits."""

import re
from pathlib import Path

from qiskit import QuantumCircuit, qasm2, qasm3
from qiskit.circuit import BoxOp

from qcli.errors import QcliError

VERBATIM = "verbatim box opened"


def read_circuit(path: Path) -> QuantumCircuit:
    """The circuit of an OpenQASM file: version 2, 3, or 3 in Amazon Braket's dialect.

    Raises:
        QcliError: no such file, one that does not parse (says where), or one whose parameters have no values.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise QcliError(f"cannot read the circuit: {reason}", str(path), "give an OpenQASM file") from None
    version = re.search(r"^\s*OPENQASM\s+([23])\b", text, re.MULTILINE)
    if version is None:
        raise QcliError(
            "not an OpenQASM file: it has no line `OPENQASM 2.0;` or `OPENQASM 3.0;`",
            str(path),
            "export the circuit with qiskit.qasm2.dump, qiskit.qasm3.dump or braket's Circuit.to_ir",
        )
    try:
        circuit = _parsed(text, version[1])
    except Exception as error:
        # three parsers, with exceptions of their own, of ANTLR's and of Python's
        raise QcliError(
            f"the circuit does not parse: {_reason(error)}", str(path), "correct it there, or export it again"
        ) from None
    if circuit.parameters:
        names = ", ".join(parameter.name for parameter in circuit.parameters)
        raise QcliError(f"the circuit leaves {names} open", str(path), "write the values into it")
    return circuit


def _parsed(text: str, version: str) -> QuantumCircuit:
    if version == "2":
        return qasm2.loads(text, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
    return qasm3.loads(text) if "stdgates.inc" in text else _from_braket(text)


def _reason(error: BaseException | None) -> str:
    """With line and column, which the parsers of OpenQASM 3 leave to the token in an error's causes."""
    said = "" if error is None else re.sub(r"^<input>:", "", str(error).strip("\"'"))
    while error is not None:
        for cause in (error, *error.args):
            if token := getattr(cause, "offendingToken", None):
                return f"{token.line},{token.column}: unexpected {token.text!r}"
        error = error.__cause__ or error.__context__
    return said or "syntax error"


def _from_braket(text: str) -> QuantumCircuit:
    """Braket's own gate names need no include. A verbatim box is opened, which the metadata `VERBATIM` tells."""
    from qiskit_braket_provider import to_qiskit

    circuit = to_qiskit(text, add_measurements=False)
    flat = circuit.copy_empty_like()
    for instruction in circuit.data:
        if isinstance(instruction.operation, BoxOp):
            (body,) = instruction.operation.blocks
            flat.compose(body, instruction.qubits, instruction.clbits, inplace=True)
            flat.metadata = {VERBATIM: True}
        else:
            flat.append(instruction)
    return flat

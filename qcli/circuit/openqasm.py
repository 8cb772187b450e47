"""OpenQASM 2 and 3 files as Qiskit circuits."""

import re
from pathlib import Path

from qiskit import QuantumCircuit, qasm2, qasm3
from qiskit.circuit import BoxOp, CircuitInstruction

from qcli.errors import QcliError

VERBATIM = "verbatim box opened"
PHYSICAL = "physical qubits"
"""Key in the metadata of a circuit that is written on physical qubits: the number of each of its qubits, in order."""

_IONQ = ("gpi", "gpi2", "ms")
"""Gates that Qiskit's transpiler finds no translation for."""
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_UNREAD = re.compile(r"^\s*#\s*pragma\s+braket\s+(?:unitary|noise)\b", re.MULTILINE)


def read_circuit(path: Path) -> QuantumCircuit:
    """The circuit of an OpenQASM file: version 2, 3, or 3 in Amazon Braket's dialect.

    Raises:
        QcliError: no such file, one that does not parse (says where), or one whose parameters have no values.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        # a name with a NUL byte is a ValueError, as is what is not UTF-8
        reason = (
            "it is not text" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", error)
        )
        raise QcliError(f"cannot read the circuit: {reason}", str(path), "give an OpenQASM file") from None
    code = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), text)
    version = re.search(r"^\s*OPENQASM\s+([23])\b", code, re.MULTILINE)
    if version is None:
        raise QcliError(
            "not an OpenQASM file: it has no line `OPENQASM 2.0;` or `OPENQASM 3.0;`",
            str(path),
            "export the circuit with qiskit.qasm2.dump, qiskit.qasm3.dump or braket's Circuit.to_ir",
        )
    if version[1] == "3" and (pragma := _UNREAD.search(code)):
        line = code.count("\n", 0, pragma.end()) + 1
        what = f"line {line}: `{pragma[0].strip()}` is not read"
        raise QcliError(what, str(path), "write unitaries as gates, and leave noise to the device")
    try:
        if version[1] == "2":
            circuit = qasm2.loads(text, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
        else:
            circuit = _from_qiskit(text) if "stdgates.inc" in code else _from_braket(text)
    except Exception as error:
        # three parsers, with exceptions of their own, of ANTLR's and of Python's
        raise QcliError(
            f"the circuit does not parse: {_reason(error)}", str(path), "correct it there, or export it again"
        ) from None
    if circuit.parameters:
        names = ", ".join(parameter.name for parameter in circuit.parameters)
        raise QcliError(f"the circuit leaves {names} open", str(path), "write the values into it")
    return circuit


def _reason(error: BaseException | None) -> str:
    """With line and column, which the parsers of OpenQASM 3 leave to the token in an error's causes."""
    said = "" if error is None else re.sub(r"^<input>:", "", str(error).strip("\"'"))
    while error is not None:
        for cause in (error, *error.args):
            if token := getattr(cause, "offendingToken", None):
                return f"{token.line},{token.column}: unexpected {token.text!r}"
        error = error.__cause__ or error.__context__
    return said or "syntax error"


def _from_qiskit(text: str) -> QuantumCircuit:
    """Qubit n is `$n` where the file writes so, which the metadata `PHYSICAL` tells."""
    circuit = qasm3.loads(text)
    # only circuits on physical qubits are given a layout
    circuit.metadata = {PHYSICAL: tuple(range(circuit.num_qubits))} if circuit.layout else {}
    return circuit


def _from_braket(text: str) -> QuantumCircuit:
    """Braket's own gate names need no include. Qubit n is `$n` where the file writes so, which `PHYSICAL` tells.

    A verbatim box is opened, which the metadata `VERBATIM` tells; barriers keep its gates apart. IonQ's gates are
    written in Qiskit's.
    """
    from qiskit_braket_provider import to_qiskit

    circuit = to_qiskit(text, add_measurements=False)
    numbers = circuit.metadata.get("braket_physical_qubits")
    metadata: dict[str, object] = {} if numbers is None else {PHYSICAL: tuple(numbers)}
    flat = circuit.copy_empty_like()
    for instruction in circuit.data:
        if isinstance(instruction.operation, BoxOp):
            (body,) = instruction.operation.blocks
            flat.compose(_apart(body), instruction.qubits, instruction.clbits, inplace=True)
            metadata[VERBATIM] = True
        else:
            _put(instruction, flat)
    flat.metadata = metadata
    return flat


def _apart(body: QuantumCircuit) -> QuantumCircuit:
    """The same gates with barriers between them, and between them and what comes before."""
    result = body.copy_empty_like()
    for qubit in dict.fromkeys(qubit for gate in body.data for qubit in gate.qubits):
        result.barrier(qubit)
    for gate in body.data:
        _put(gate, result)
        result.barrier(gate.qubits)
    return result


def _put(instruction: CircuitInstruction, circuit: QuantumCircuit) -> None:
    """At the end of `circuit`, a gate of IonQ's by its definition: one pulse stays one."""
    if instruction.name in _IONQ:
        circuit.compose(instruction.operation.definition, instruction.qubits, inplace=True)
    else:
        circuit.append(instruction)

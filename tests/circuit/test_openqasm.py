"""OpenQASM 2, 3 and Braket's dialect are read alike; what cannot be read is refused with its place."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from braket.circuits import Circuit
from braket.circuits.serialization import IRType
from qiskit import QuantumCircuit, qasm2, qasm3
from qiskit.quantum_info import Operator

from qcli.circuit.openqasm import PHYSICAL, VERBATIM, read_circuit
from qcli.compile.transpile import compile_circuit
from qcli.device.catalogue import find
from qcli.errors import QcliError

V2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\n'
V3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\n'
V3_BARE = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
BRAKET = "OPENQASM 3.0;\nbit[2] b;\nqubit[2] q;\n"


def read(folder: Path, text: str | bytes) -> QuantumCircuit:
    path = folder / "circuit.qasm"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_circuit(path)


def measured(circuit: QuantumCircuit) -> dict[int, int]:
    """Qubit by classical bit."""
    return {
        circuit.find_bit(each.clbits[0]).index: circuit.find_bit(each.qubits[0]).index
        for each in circuit.data
        if each.name == "measure"
    }


def gates(circuit: QuantumCircuit) -> Operator:
    bare = circuit.remove_final_measurements(inplace=False)
    assert bare is not None
    return Operator(bare)


@pytest.fixture
def written() -> QuantumCircuit:
    circuit = QuantumCircuit(3, 2)
    circuit.h(0)
    circuit.sxdg(1)
    circuit.cx(0, 1)
    circuit.rzz(0.3, 1, 2)
    circuit.cp(0.7, 0, 2)
    circuit.u(0.1, 0.2, 0.3, 2)
    circuit.measure([2, 0], [0, 1])
    return circuit


@pytest.mark.parametrize("dump", [qasm2.dumps, qasm3.dumps])
def test_what_qiskit_writes_is_read_back(
    tmp_path: Path, written: QuantumCircuit, dump: Callable[[QuantumCircuit], str]
) -> None:
    found = read(tmp_path, dump(written))
    assert gates(found).equiv(gates(written))
    assert measured(found) == {0: 2, 1: 0}


def braket_text(circuit: Circuit) -> str:
    return str(circuit.to_ir(IRType.OPENQASM).source)


def test_brakets_circuits_are_read_with_brakets_gates(tmp_path: Path) -> None:
    circuit = Circuit().h(0).cnot(0, 1).v(1).zz(0, 1, 0.4).phaseshift(0, 0.2).prx(1, 0.3, 0.5).iswap(0, 1)
    found = read(tmp_path, braket_text(circuit.measure([1, 0])))
    # Braket's first qubit is the most significant, Qiskit's the least
    expected = circuit.to_unitary().reshape((2,) * 4).transpose(1, 0, 3, 2).reshape(4, 4)
    assert gates(found).equiv(Operator(expected))
    assert measured(found) == {0: 1, 1: 0}


def test_a_verbatim_box_is_opened_on_its_physical_qubits(tmp_path: Path) -> None:
    box = Circuit().prx(4, 0.1, 0.2).cz(4, 7)
    found = read(tmp_path, braket_text(Circuit().add_verbatim_box(box).measure([7, 4])))
    assert [each.name for each in found.data if each.name != "barrier"] == ["r", "cz", "measure", "measure"]
    assert measured(found) == {0: 7, 1: 4}
    assert found.metadata == {VERBATIM: True, PHYSICAL: tuple(range(8))}


def test_no_gate_of_a_verbatim_box_is_merged_or_cancelled(tmp_path: Path) -> None:
    box = Circuit().prx(1, 0.1, 0.2)
    for _ in range(20):
        box.cz(1, 2)
    whole = Circuit().prx(1, 0.1, 0.2).add_verbatim_box(box).measure([1, 2])
    found = compile_circuit(read(tmp_path, braket_text(whole)), find("garnet"), trials=1)
    assert (found.two_qubit_gates, found.one_qubit_gates) == (20, 2)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (V3_BARE + "h $7;\ncx $7, $3;", range(8)),
        (V3_BARE + "qubit q;\nh q;", None),
        (V3_BARE + "qubit[3] q;\nh q[2];", None),
        ("OPENQASM 3.0;\nh $7;\ncnot $7, $3;", range(8)),
        ("OPENQASM 3.0;\nqubit q;\nh q;", None),
        ("OPENQASM 3.0;\nqubit[2] q;\nh q[1];\ncnot $7, q[1];", None),
    ],
)
def test_a_circuit_on_physical_qubits_says_their_numbers(
    tmp_path: Path, text: str, numbers: range | None
) -> None:
    found = read(tmp_path, text)
    assert found.metadata == ({} if numbers is None else {PHYSICAL: tuple(numbers)})
    if numbers is not None:
        used = {found.find_bit(qubit).index for each in found.data for qubit in each.qubits}
        assert used == {3, 7}


def test_ionqs_gates_are_read_in_qiskits(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    for _ in range(3):
        a, b, c, d, e, f = random.uniform(-7, 7, 6)
        circuit = Circuit().gpi(0, a).gpi2(1, b).ms(0, 1, c, d, e).gpi2(0, d).zz(0, 1, f).gpi(1, e)
        found = read(tmp_path, braket_text(circuit))
        expected = circuit.to_unitary().reshape((2,) * 4).transpose(1, 0, 3, 2).reshape(4, 4)
        assert gates(found).equiv(Operator(expected))


@pytest.mark.parametrize("gate", ["gpi(0.3) $0;", "gpi2(0.3) $0;", "ms(0.1, 0.2, 0.3) $0, $1;"])
@pytest.mark.parametrize("device", ["garnet", "fez", "forte-enterprise-1"])
def test_ionqs_gates_compile_and_one_pulse_stays_one(tmp_path: Path, gate: str, device: str) -> None:
    box = f"#pragma braket verbatim\nbox {{\n{gate}\n}}\n"
    circuit = read(tmp_path, f"OPENQASM 3.0;\nbit[1] b;\n{box}b[0] = measure $0;")
    found = compile_circuit(circuit, find(device), trials=1)
    if gate.startswith("gpi"):
        assert (found.two_qubit_gates, found.one_qubit_gates) == (0, 1)
    else:
        assert found.two_qubit_gates > 0


def test_a_circuit_need_not_measure_and_may_begin_with_comments(tmp_path: Path) -> None:
    assert measured(read(tmp_path, "// mine\n\n" + V2 + "h q[0];")) == {}
    assert read(tmp_path, "OPENQASM 3;\nqubit[2] q;\nh q[0];\ncnot q[0], q[1];").num_qubits == 2


@pytest.mark.parametrize(
    "before", ["\ufeff", "/* mine */", "/* mine\n */ ", '// OPENQASM 2.0;\n// include "stdgates.inc";\n']
)
def test_what_stands_before_the_version_does_no_harm(tmp_path: Path, before: str) -> None:
    found = read(tmp_path, before + BRAKET + '/* include "stdgates.inc"; */ cnot q[0], q[1];')
    assert found.count_ops() == {"cx": 1}


def test_modifiers_of_version_3_are_read(tmp_path: Path) -> None:
    found = read(tmp_path, V3 + "ctrl @ x q[0], q[1];\ninv @ s q[0];\n")
    expected = QuantumCircuit(2)
    expected.cx(0, 1)
    expected.sdg(0)
    assert gates(found).equiv(gates(expected))


BAD = [
    ("2: no semicolon", V2 + "h q[0]\ncx q[0],q[1];", "6,0"),
    ("2: unknown gate", V2 + "foo q[0];", "5,0: 'foo' is not defined"),
    ("2: no such qubit", V2 + "h q[2];", "5,4: index 2 is out-of-range"),
    ("2: no such file", 'OPENQASM 2.0;\ninclude "other.inc";', "2,8: unable to find 'other.inc'"),
    ("3: no semicolon", V3 + "h q[0]\ncx q[0],q[1];", "6,0: unexpected 'cx'"),
    ("3: unknown gate", V3 + "foo q[0];", "5,0: gate 'foo' is not defined"),
    ("Braket: no semicolon", BRAKET + "h q[0]\ncnot q[0], q[1];", "5,0: unexpected 'cnot'"),
    ("Braket: unknown gate", BRAKET + "foo q[0];", "Gate foo is not defined"),
    ("3: open parameter", V3 + "input float a;\nrx(a) q[0];", "leaves a open"),
    ("Braket: open parameter", BRAKET + "input float a;\nrx(a) q[0];", "leaves a open"),
    ("Braket: unitary", BRAKET + "/*\n*/\n#pragma braket unitary([[1, 0], [0, 1]]) q[0]", "line 6: `#pragma"),
    (
        "Braket: noise",
        BRAKET + "#pragma braket noise bit_flip(0.1) q[0]",
        "`#pragma braket noise` is not read",
    ),
    ("version in a comment", "/*\nOPENQASM 3.0;\n*/\nqubit q;", "not an OpenQASM file"),
    ("empty", "", "not an OpenQASM file"),
    ("another language", "qubits 3\nH 0\n", "not an OpenQASM file"),
    ("version 4", "OPENQASM 4.0;\nqubit q;", "not an OpenQASM file"),
    ("binary", b"\xff\xfe\x00", "it is not text"),
]


@pytest.mark.parametrize(("text", "what"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path: Path, text: str | bytes, what: str) -> None:
    with pytest.raises(QcliError) as refusal:
        read(tmp_path, text)
    assert what in refusal.value.what
    assert refusal.value.where == str(tmp_path / "circuit.qasm") and refusal.value.fix


@pytest.mark.parametrize("name", ["none.qasm", ".", "a\0.qasm"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(QcliError, match="cannot read the circuit"):
        read_circuit(tmp_path / name)

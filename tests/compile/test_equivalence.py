"""What is submitted is the circuit that was written, on every device of the catalogue."""

import numpy as np
import pytest
from qiskit.circuit import QuantumCircuit

from qcli.compile.transpile import Compiled, bind_and_merge, compile_circuit, compile_on, cut_down, layouts
from qcli.compile.verbatim import native_qasm, verbatim
from qcli.device.catalogue import catalogue, names
from tests.compile.circuits import distribution, from_vocabulary, of_braket


def without_idle_wires(circuit: QuantumCircuit) -> QuantumCircuit:
    used = sorted({circuit.find_bit(q).index for each in circuit.data for q in each.qubits})
    result = QuantumCircuit(len(used), circuit.num_clbits)
    for each in circuit.data:
        places = [used.index(circuit.find_bit(q).index) for q in each.qubits]
        result.append(each.operation, places, [circuit.find_bit(c).index for c in each.clbits])
    return result


def assert_equivalent(compiled: Compiled, source: QuantumCircuit, values: np.ndarray) -> None:
    submitted = verbatim(compiled, values)
    for row, merged, sent in zip(values, bind_and_merge(compiled, values), submitted, strict=True):
        expected = distribution(source.assign_parameters(row[: source.num_parameters]))
        template = cut_down(compiled)
        named = {p: row[compiled.parameters.index(p.name)] for p in template.parameters}
        vendors = of_braket(sent) if compiled.device.provider == "braket" else without_idle_wires(sent)
        for each in (template.assign_parameters(named), merged, vendors):
            np.testing.assert_allclose(distribution(each), expected, atol=1e-9)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize(("wires", "gates", "seed"), [(2, 12, 0), (3, 15, 1), (4, 15, 2), (6, 12, 3)])
def test_compiled_merged_and_verbatim_circuits_measure_what_the_source_does(
    name: str, wires: int, gates: int, seed: int
) -> None:
    source = from_vocabulary(wires, seed, gates)
    compiled = compile_circuit(source, catalogue()[name], trials=3)
    values = np.random.default_rng(seed).uniform(-3, 3, (2, len(compiled.parameters)))
    assert_equivalent(compiled, source, values)


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_many_circuits_are_equivalent_in_every_layout(name: str) -> None:
    for seed in range(20):
        source = from_vocabulary(2 + seed % 5, 100 + seed, 20)
        values = np.random.default_rng(seed).uniform(-7, 7, (2, source.num_parameters))
        for compiled in layouts(source, catalogue()[name], 3):
            assert_equivalent(compiled, source, values)


@pytest.mark.parametrize(
    "name", ["braket/garnet", "braket/emerald", "ibm/brisbane", "braket/forte-enterprise-1"]
)
def test_a_circuit_on_the_users_qubits_is_equivalent(name: str) -> None:
    device = catalogue()[name]
    source = from_vocabulary(4, 11, 12)
    layout = [qubit.id for qubit in device.usable[:8:2]]
    compiled = compile_on(source, device, layout)
    assert_equivalent(compiled, source, np.array([[0.3, -1.2, 2.5, 0.9]]))


def test_openqasm_names_the_qubits_of_the_layout() -> None:
    source = from_vocabulary(3, 5, 8)
    for name in ("braket/garnet", "ibm/fez"):
        compiled = compile_circuit(source, catalogue()[name], trials=1)
        (sent,) = verbatim(compiled, [[0.1, 0.2, 0.3, 0.4][: len(compiled.parameters)]])
        text = native_qasm(sent)
        form = "b[{}] = measure ${}" if name == "braket/garnet" else "c[{}] = measure q[{}]"
        assert all(form.format(bit, qubit) in text for bit, qubit in enumerate(compiled.layout))

import math

import numpy as np
import pytest
from qiskit import qasm2, qasm3
from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager

from qcli.compile.schedule import steps_of
from qcli.compile.tally import success, tally
from qcli.compile.target import native_target, target
from qcli.compile.transpile import bind_and_merge, compile_circuit, compile_on, cut_down, layouts
from qcli.device.catalogue import catalogue, names
from qcli.device.record import Device, Edge, Qubit
from qcli.errors import QcliError
from tests.compile.circuits import distribution, random_circuit, template


def small(edges: tuple[Edge, ...], **changes: object) -> Device:
    """Four like qubits, numbered 2, 4, 6 and 8."""
    qubits = tuple(Qubit(q, 3e-5, 1e-5, 0.001, 0.01, 0.03) for q in (2, 4, 6, 8))
    content = catalogue()["braket/garnet"].model_dump() | {"name": "small", "edges": edges, "qubits": qubits}
    return Device.model_validate(content | changes)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize(("wires", "seed"), [(2, 1), (3, 2), (4, 3)])
def test_a_compiled_circuit_is_native_on_real_edges_and_equivalent(name: str, wires: int, seed: int) -> None:
    device = catalogue()[name]
    source = random_circuit(wires, seed)
    compiled = compile_circuit(source, device, trials=1)

    native = {*device.one_qubit_gates, device.two_qubit_gate, "measure"}
    edges = {frozenset(edge[:2]) for edge in device.usable_edges}
    usable = {qubit.id for qubit in device.usable}
    for instruction in compiled.circuit.data:
        places = {compiled.circuit.find_bit(qubit).index for qubit in instruction.qubits}
        assert instruction.operation.name in native
        assert places <= usable
        assert len(places) == 1 or places in edges
    assert set(compiled.layout) <= set(compiled.used_qubits)
    assert cut_down(compiled).num_qubits == len(compiled.used_qubits)
    np.testing.assert_allclose(distribution(cut_down(compiled)), distribution(source), atol=1e-9)


@pytest.mark.parametrize("name", names())
def test_every_binding_of_a_template_is_equivalent_and_no_longer(name: str) -> None:
    source = template(3)
    compiled = compile_circuit(source, catalogue()[name], trials=1)
    values = np.random.default_rng(5).uniform(-3, 3, (3, 6))
    values[0] = 0.0
    assert compiled.parameters == tuple(parameter.name for parameter in source.parameters)
    written = cut_down(compiled).count_ops()
    for row, circuit in zip(values, bind_and_merge(compiled, values), strict=True):
        assert set(circuit.count_ops()) <= set(written) | {"x", "rz"}
        assert circuit.size() <= cut_down(compiled).size()
        np.testing.assert_allclose(
            distribution(circuit), distribution(source.assign_parameters(row)), atol=1e-9
        )


def test_parameters_keep_the_order_of_the_source_beyond_ten() -> None:
    x = ParameterVector("x", 12)
    source = QuantumCircuit(1, 1)
    for index in range(12):
        source.ry(x[index] * (index + 1), 0)
        source.rz(0.1 * index, 0)
    source.measure(0, 0)
    compiled = compile_circuit(source, catalogue()["braket/garnet"], trials=1)
    row = np.linspace(0, 1, 12)
    bound = bind_and_merge(compiled, [row])[0]
    np.testing.assert_allclose(distribution(bound), distribution(source.assign_parameters(row)), atol=1e-9)
    assert bound.count_ops()["r"] == 1


def test_counts_and_success_follow_from_the_record() -> None:
    device = small((Edge(2, 4, 0.02), Edge(4, 6, 0.01), Edge(6, 8, None)))
    source = QuantumCircuit(2, 2)
    source.ry(0.3, 0)
    source.ry(0.4, 1)
    source.cz(0, 1)
    source.ry(0.5, 0)
    source.measure([0, 1], [0, 1])
    compiled = compile_circuit(source, device)
    assert sorted(compiled.layout) == [4, 6]
    assert compiled.used_qubits == (4, 6)
    assert (compiled.one_qubit_gates, compiled.two_qubit_gates, compiled.depth) == (3, 1, 3)
    # the other qubit waits 20 ns for the last ry
    wait = 0.5 + math.exp(-2e-8 / 3e-5) / 6 + math.exp(-2e-8 / 1e-5) / 3
    assert compiled.success == pytest.approx(0.999**3 * 0.99 * 0.98**2 * wait)
    assert compiled.duration_s == pytest.approx(2 * 20e-9 + 40e-9 + 1.5e-6)
    assert compiled.duration_basis == "assumed"


def test_the_layout_avoids_the_qubit_that_reads_badly() -> None:
    edges = (Edge(2, 4, 0.01), Edge(4, 6, 0.01), Edge(6, 8, 0.01))
    like = small(edges).qubits
    device = small(edges, qubits=(like[0]._replace(p0_given_1=0.4), *like[1:]))
    source = QuantumCircuit(3, 3)
    source.h(0)
    source.cx(0, 1)
    source.cx(1, 2)
    source.measure(range(3), range(3))
    assert sorted(compile_circuit(source, device).layout) == [4, 6, 8]


def test_layout_names_the_qubit_of_each_measured_bit() -> None:
    device = catalogue()["braket/garnet"]
    source = random_circuit(4, 9)
    compiled = compile_circuit(source, device)
    reads = {
        compiled.circuit.find_bit(i.clbits[0]).index: compiled.circuit.find_bit(i.qubits[0]).index
        for i in compiled.circuit.data
        if i.operation.name == "measure"
    }
    assert compiled.layout == tuple(reads[bit] for bit in range(4))


def test_the_same_seed_compiles_to_the_same_circuit() -> None:
    device = catalogue()["ibm/fez"]
    first, again = (compile_circuit(random_circuit(4, 1), device, seed=3) for _ in range(2))
    assert first.circuit == again.circuit
    assert first == again


def line(wires: int) -> QuantumCircuit:
    """One layer of a hardware-efficient circuit, everything measured."""
    circuit = QuantumCircuit(wires, wires)
    for wire in range(wires):
        circuit.u(0.3 + wire, 0.2, 0.1, wire)
    for wire in range(wires - 1):
        circuit.cx(wire, wire + 1)
    circuit.measure(range(wires), range(wires))
    return circuit


@pytest.mark.parametrize("name", ["braket/emerald", "ibm/fez", "ibm/torino", "ibm/kingston"])
@pytest.mark.parametrize("wires", [8, 14])
def test_the_place_is_at_least_as_good_as_that_of_qiskits_level_3(name: str, wires: int) -> None:
    device = catalogue()[name]
    result = generate_preset_pass_manager(3, target=target(device), seed_transpiler=7).run(line(wires))
    steps = steps_of(result, [qubit.id for qubit in device.usable])
    assert compile_circuit(line(wires), device).success >= success(tally(steps, device), device) * (1 - 1e-9)


@pytest.mark.parametrize(("name", "seed"), [("ibm/torino", 0), ("braket/emerald", 1), ("braket/ankaa-3", 0)])
def test_with_swaps_too_it_is_as_good_as_the_best_of_eight_runs_of_level_3(name: str, seed: int) -> None:
    device, source = catalogue()[name], random_circuit(6, seed, layers=3)
    ids = [qubit.id for qubit in device.usable]
    others = [
        generate_preset_pass_manager(3, target=target(device), seed_transpiler=each).run(source)
        for each in range(8)
    ]
    best = max(success(tally(steps_of(each, ids), device), device) for each in others)
    assert compile_circuit(source, device).success >= best * (1 - 1e-9)


def test_layouts_are_different_good_places() -> None:
    device, source = catalogue()["ibm/fez"], template(6)
    found = layouts(source, device)
    assert len(found) == 5
    assert found[0].success >= compile_circuit(source, device).success
    assert [each.success for each in found] == sorted((each.success for each in found), reverse=True)
    for one in found:
        assert sum(len({*one.used_qubits} & {*other.used_qubits}) > 3 for other in found) == 1


def test_layouts_fill_up_where_the_device_is_small() -> None:
    edges = (Edge(2, 4, 0.02), Edge(4, 6, 0.01), Edge(6, 8, 0.01))
    found = layouts(template(3), small(edges), count=4)
    assert {each.used_qubits for each in found} == {(2, 4, 6), (4, 6, 8)}
    assert len({each.layout for each in found}) == len(found) == 4


def test_a_device_of_like_qubits_has_one_layout() -> None:
    assert len(layouts(template(3), catalogue()["braket/forte-enterprise-1"])) == 1


def test_the_users_layout_is_kept() -> None:
    device = catalogue()["braket/garnet"]
    compiled = compile_on(template(3), device, [10, 9, 14])
    assert compiled.layout == (10, 9, 14)
    assert compiled.used_qubits == (9, 10, 14)


@pytest.mark.parametrize("layout", [[10, 9], [10, 9, 9], [10, 9, 99]])
def test_a_layout_that_does_not_fit_is_refused(layout: list[int]) -> None:
    with pytest.raises(QcliError, match="for 3 wires"):
        compile_on(template(3), catalogue()["braket/garnet"], layout)


def mirrored(wires: int, barrier: bool) -> QuantumCircuit:
    """U and its inverse: a ZZ feature map on a line, with or without a barrier in between."""
    circuit = QuantumCircuit(wires)
    for wire in range(wires):
        circuit.h(wire)
        circuit.rz(0.3 + wire, wire)
    for first in [*range(0, wires - 1, 2), *range(1, wires - 1, 2)]:
        circuit.cx(first, first + 1)
        circuit.rz(0.7 + first, first + 1)
        circuit.cx(first, first + 1)
    inverse = circuit.inverse()
    if barrier:
        circuit.barrier()
    circuit.compose(inverse, inplace=True)
    circuit.measure_all()
    return circuit


@pytest.mark.parametrize("name", ["braket/garnet", "braket/cepheus-1-108q", "ibm/fez", "ibm/brisbane"])
def test_nothing_cancels_across_a_barrier(name: str) -> None:
    wires = 5
    compiled = compile_circuit(mirrored(wires, barrier=True), catalogue()[name], trials=1)
    assert compiled.two_qubit_gates == 2 * (wires - 1) * 2
    (merged,) = bind_and_merge(compiled, np.zeros((1, 0)))
    assert merged.size() == sum(each.name != "barrier" for each in merged.data)
    assert distribution(merged)[0] == pytest.approx(1, abs=1e-9)
    assert compile_circuit(mirrored(wires, barrier=False), catalogue()[name], trials=1).two_qubit_gates == 0


def test_one_qubit_gates_on_both_sides_of_a_barrier_stay_apart() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.rx(0.3, 0)
    circuit.barrier()
    circuit.rx(0.4, 0)
    circuit.measure(0, 0)
    assert compile_circuit(circuit, catalogue()["braket/garnet"]).one_qubit_gates == 2


def test_idle_wires_take_no_qubits() -> None:
    circuit = QuantumCircuit(40, 2)
    circuit.barrier()
    circuit.h(31)
    circuit.cx(31, 7)
    circuit.measure([7, 31], [0, 1])
    compiled = compile_circuit(circuit, catalogue()["braket/garnet"])
    assert len(compiled.used_qubits) == 2
    np.testing.assert_allclose(distribution(cut_down(compiled)), [0.5, 0, 0, 0.5], atol=1e-9)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("bit b; b = measure q[0]; x q[0]; b = measure q[1];", "x on wire 0 comes after its measurement"),
        ("bit[2] b; b[0] = measure q[0]; b[1] = measure q[0];", "measured twice"),
        ("bit b; x q[0]; reset q[0]; b = measure q[0];", "reset on wires \\[0\\] is no gate"),
        ("bit b; b = measure q[0]; if (b) { x q[1]; }", "if_else"),
        ("bit b; delay[100ns] q[0]; b = measure q[0];", "delay on wires \\[0\\] is no gate"),
    ],
)
def test_what_is_no_gate_is_named(body: str, message: str) -> None:
    circuit = qasm3.loads(f'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; {body}')
    with pytest.raises(QcliError, match=message):
        compile_circuit(circuit, catalogue()["braket/garnet"])


def test_a_reset_of_fresh_qubits_does_nothing() -> None:
    circuit = qasm3.loads(
        'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit b; reset q; x q[1]; b = measure q[1];'
    )
    compiled = compile_circuit(circuit, catalogue()["braket/garnet"])
    assert compiled.one_qubit_gates == len(compiled.used_qubits) == 1


def test_openqasm_2_is_compiled_with_its_registers_in_order() -> None:
    circuit = qasm2.loads(
        'OPENQASM 2.0; include "qelib1.inc"; qreg a[1]; qreg b[2]; creg c[1]; creg d[2];'
        "x b[1]; cx b[1], a[0]; measure b -> d; measure a -> c;"
    )
    compiled = compile_circuit(circuit, catalogue()["ibm/fez"])
    assert np.argmax(distribution(cut_down(compiled))) == 0b101


def test_a_wire_with_a_phase_alone_is_no_obstacle() -> None:
    circuit = QuantumCircuit(3, 1)
    circuit.rz(Parameter("x"), 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure(1, 0)
    assert compile_circuit(circuit, catalogue()["braket/garnet"]).two_qubit_gates == 1


def test_more_seeds_are_never_worse() -> None:
    device, source = catalogue()["braket/garnet"], random_circuit(6, 4, layers=3)
    one, many = (compile_circuit(source, device, trials=trials).success for trials in (1, 6))
    assert 0 < one <= many < 1


@pytest.mark.parametrize("name", names())
def test_the_target_holds_calibrated_places_only(name: str) -> None:
    device = catalogue()[name]
    found = target(device)
    assert found.num_qubits == device.qubit_count
    pairs = {frozenset(device.usable[i].id for i in pair) for pair in found[device.two_qubit_gate]}
    assert pairs == {frozenset(edge[:2]) for edge in device.usable_edges}
    assert found["rz"][(0,)].error == 0
    assert found["measure"][(0,)].error == device.usable[0].readout_error


def test_relaxation_times_are_native_only_where_gate_times_are_published() -> None:
    garnet, fez = catalogue()["braket/garnet"], catalogue()["ibm/fez"]
    assert native_target(garnet, [1, 2]).qubit_properties[0].t1 is None
    assert native_target(fez, [0, 1]).qubit_properties[0].t1 == fez.qubits[0].t1_s


def test_what_cannot_be_compiled_is_refused() -> None:
    device = small((Edge(2, 4, 0.01), Edge(6, 8, 0.01)))
    with pytest.raises(QcliError, match="5 wires, the device 4") as caught:
        compile_circuit(random_circuit(5, 1), device)
    assert caught.value.where == "braket/small"
    with pytest.raises(QcliError, match="does not compile"):
        compile_circuit(random_circuit(4, 1), device)
    with pytest.raises(QcliError, match="none of the device's couplers is calibrated"):
        compile_circuit(random_circuit(2, 1), small((Edge(2, 4),)))
    silent = QuantumCircuit(1)
    silent.h(0)
    with pytest.raises(QcliError, match="measures nothing"):
        compile_circuit(silent, device)


@pytest.mark.parametrize("values", [[], [[1.0]], [0.0] * 6, [[0.0] * 7], [[float("nan")] * 6]])
def test_angles_of_another_shape_are_refused(values: list) -> None:
    compiled = compile_circuit(template(3), catalogue()["braket/garnet"], trials=1)
    with pytest.raises(QcliError, match="6 parameters"):
        bind_and_merge(compiled, values)

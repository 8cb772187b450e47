import copy
import json
from datetime import date, time
from typing import Any

import pytest

from qcli.device.ibm import from_ibm
from qcli.device.importers import from_braket
from qcli.device.record import Device, Edge, ProgramSetLimits, Qubit, device_from, dump_device, load_device
from qcli.errors import QcliError
from tests.device import shapes


def every_shape() -> list[Device]:
    return [
        from_braket(shapes.iqm(), "a"),
        from_braket(shapes.rigetti(), "b"),
        from_braket(shapes.ionq(), "c"),
        from_braket(shapes.aqt(), "d"),
        from_ibm(*shapes.ibm()),
    ]


def test_iqm_readout_is_per_direction_and_errors_are_infidelities() -> None:
    device = from_braket(shapes.iqm(), "small", "IQM Small", source="here", licence="Apache-2.0")
    assert device.key == "braket/small"
    assert device.emulator == "emulator/small"
    assert (device.vendor, device.technology) == ("IQM", "superconducting")
    assert (device.one_qubit_gates, device.two_qubit_gate) == (("r", "rz"), "cz")
    assert device.calibrated_on == date(2026, 5, 5)
    assert device.shots == (1, 20000)
    first = device.qubits[0]
    assert first.error_1q == pytest.approx(0.001)
    assert (first.p1_given_0, first.p0_given_1) == (0.01, 0.03)
    assert first.readout_error == pytest.approx(0.02)
    assert device.edges[0] == Edge(1, 2, pytest.approx(0.004))
    assert device.durations.basis == "assumed"


def test_what_is_not_calibrated_is_absent_not_perfect() -> None:
    device = from_braket(shapes.iqm(), "small")
    assert device.qubits[1].t2_s is None
    assert device.qubits[1].calibrated
    assert device.qubits[2].error_1q is None
    assert [qubit.id for qubit in device.usable] == [1, 2]
    assert device.qubit_count == 2
    assert [edge[:2] for edge in device.usable_edges] == [(1, 2)]


@pytest.mark.parametrize("value", [0.5, 0.2, 1.0, 1.003])
def test_a_fidelity_that_says_nothing_leaves_the_gate_uncalibrated(value: float) -> None:
    capabilities = shapes.iqm()
    capabilities["standardized"]["twoQubitProperties"]["1-2"] = shapes.two_qubit(CZ=value)
    assert from_braket(capabilities, "small").edges[0].error is None


@pytest.mark.parametrize("native", ["cz", "iswap"])
def test_rigetti_takes_isolated_benchmarking_and_the_gate_on_offer(native: str) -> None:
    device = from_braket(shapes.rigetti(native), "small")
    assert (device.one_qubit_gates, device.two_qubit_gate) == (("rx", "rz"), native)
    zero, one, four = device.qubits
    assert (zero.id, one.id, four.id) == (0, 1, 4)
    assert zero.error_1q == pytest.approx(0.001)
    assert zero.p1_given_0 == zero.p0_given_1 == pytest.approx(0.04)
    assert one.readout_error is None
    assert (four.t1_s, four.t2_s) == (None, None)
    assert [edge.error for edge in device.edges] == [pytest.approx(0.02), None]
    assert device.qubit_count == 2
    assert device.usable_edges == ()


BENCHMARKS = {
    "SIMULTANEOUS_RANDOMIZED_BENCHMARKING": "simultaneous randomised benchmarking",
    "RANDOMIZED_BENCHMARKING": "isolated, not simultaneous, randomised benchmarking",
}


@pytest.mark.parametrize("kind", BENCHMARKS)
@pytest.mark.parametrize("shape", [shapes.iqm, shapes.rigetti])
def test_a_note_says_which_benchmarking_was_read(shape: Any, kind: str) -> None:
    capabilities = shape()
    for entry in capabilities["standardized"]["oneQubitProperties"].values():
        others = [f for f in entry["oneQubitFidelity"] if f["fidelityType"]["name"] not in BENCHMARKS]
        entry["oneQubitFidelity"] = [shapes.fidelity(kind, 0.98), *others]
    device = from_braket(capabilities, "small")
    assert [qubit.error_1q for qubit in device.qubits] == pytest.approx([0.02] * 3)
    assert f"one-qubit errors from {BENCHMARKS[kind]}" in device.notes
    assert "two-qubit errors from interleaved randomised benchmarking" in device.notes


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (("READOUT_ERROR_0_TO_1", "READOUT_ERROR_1_TO_0"), (0.01, 0.03)),
        (("READOUT",), (pytest.approx(0.02), pytest.approx(0.02))),
        (("READOUT_ERROR_0_TO_1",), (None, None)),
    ],
)
def test_iqm_readout_is_what_there_is(kept: tuple[str, ...], expected: tuple[Any, Any]) -> None:
    capabilities = shapes.iqm()
    first = capabilities["standardized"]["oneQubitProperties"]["1"]
    first["oneQubitFidelity"] = [f for f in first["oneQubitFidelity"] if f["fidelityType"]["name"] in kept]
    qubit = from_braket(capabilities, "small").qubits[0]
    assert (qubit.p1_given_0, qubit.p0_given_1) == expected


@pytest.mark.parametrize(("shape", "qubit"), [(shapes.iqm, 2), (shapes.rigetti, 1)])
def test_a_qubit_without_properties_is_one_without_calibration(shape: Any, qubit: int) -> None:
    capabilities = shape()
    del capabilities["standardized"]["oneQubitProperties"][str(qubit)]
    device = from_braket(capabilities, "small")
    assert device.qubits[1] == Qubit(qubit)
    assert len(device.qubits) == 3 and len(device.edges) == 2
    assert device.usable_edges == ()


@pytest.mark.parametrize(("back", "expected"), [(0.98, 0.02), (0.999, 0.004), (0.5, None)])
def test_of_two_directions_the_worse_one_counts(back: float, expected: float | None) -> None:
    capabilities = shapes.iqm()
    capabilities["standardized"]["twoQubitProperties"]["2-1"] = shapes.two_qubit(CZ=back)
    assert from_braket(capabilities, "small").edges[0] == Edge(
        1, 2, None if expected is None else pytest.approx(expected)
    )


@pytest.mark.parametrize("pair", ["1-3", "1-9"])
def test_a_pair_that_the_connectivity_does_not_name_is_left_out(pair: str) -> None:
    capabilities = shapes.iqm()
    capabilities["standardized"]["twoQubitProperties"][pair] = shapes.two_qubit(CZ=0.99)
    device = from_braket(capabilities, "small")
    assert device == from_braket(shapes.iqm(), "small")
    capabilities["paradigm"]["connectivity"]["fullyConnected"] = True
    assert len(from_braket(capabilities, "small").edges) == 3


def test_ionq_averages_hold_for_every_pair() -> None:
    device = from_braket(shapes.ionq(), "small")
    assert device.technology == "trapped ion"
    assert device.two_qubit_gate == "rzz"
    assert device.all_to_all
    assert len(device.edges) == 3
    assert [edge.error for edge in device.edges] == pytest.approx([0.01] * 3)
    assert (device.durations.two_qubit_s, device.durations.basis) == (6e-4, "published")


def test_aqt_percentages_become_infidelities_and_its_own_date_counts() -> None:
    device = from_braket(shapes.aqt(), "small")
    assert (device.vendor, device.technology, device.two_qubit_gate) == ("AQT", "trapped ion", "rxx")
    assert device.all_to_all and len(device.edges) == 3
    assert [qubit.error_1q for qubit in device.qubits] == pytest.approx([3e-4, 2e-4, 1e-4])
    assert device.edges[0].error == pytest.approx(0.013)
    assert device.qubits[0].p1_given_0 == pytest.approx(0.0026)
    assert (device.durations.two_qubit_s, device.durations.basis) == (6.6e-4, "published")
    assert device.calibrated_on == date(2026, 3, 28)


def test_limits_and_windows_come_from_the_capabilities() -> None:
    device = from_braket(shapes.iqm(), "small")
    assert device.program_sets == ProgramSetLimits(max_executables=100, max_total_shots=200_000)
    assert device.windows == (("Weekdays", time(3, 15), time(15, 29, 59)),)
    assert from_braket(shapes.rigetti(), "small").program_sets is None


@pytest.mark.parametrize(("fidelity", "what"), [(-0.01, "-0.01"), (99.5, "99.5")])
def test_an_impossible_fidelity_is_refused(fidelity: float, what: str) -> None:
    capabilities = shapes.iqm()
    capabilities["standardized"]["twoQubitProperties"]["1-2"] = shapes.two_qubit(CZ=fidelity)
    with pytest.raises(QcliError, match=f"a fidelity of {what} is not between 0 and 1"):
        from_braket(capabilities, "small")


@pytest.mark.parametrize("error", [-1e-3, 1.5, float("nan")])
@pytest.mark.parametrize("place", ["gate", "readout"])
def test_an_impossible_error_is_refused(error: float, place: str) -> None:
    configuration, properties = shapes.ibm()
    entries = properties["gates"][3]["parameters"] if place == "gate" else properties["qubits"][0]
    key = "gate_error" if place == "gate" else "prob_meas0_prep1"
    next(entry for entry in entries if entry["name"] == key)["value"] = error
    with pytest.raises(QcliError, match=f"an error of {error} is not between 0 and 1"):
        from_ibm(configuration, properties)


def test_ibm_reads_both_readout_directions_and_the_worse_of_two_gate_directions() -> None:
    device = from_ibm(*shapes.ibm(), source="here", licence="Apache-2.0")
    assert device.key == "ibm/small"
    assert device.full_name == "IBM Small (Heron r2)"
    assert device.qubits[0] == Qubit(0, 2e-4, 1e-4, 2e-4, 0.01, 0.03)
    assert device.qubits[2].error_1q is None
    assert device.edges == (Edge(0, 1, 0.003), Edge(1, 2, None, 8.4e-8))
    assert device.durations.two_qubit_s == pytest.approx(68e-9)
    assert device.qubit_count == 2
    assert device.grid == ((1, 1), (1, 2), (2, 2))


def test_a_qubit_whose_gates_take_another_time_says_so() -> None:
    configuration, properties = shapes.ibm()
    slow = next(gate for gate in properties["gates"] if gate["gate"] == "sx" and gate["qubits"] == [1])
    slow["parameters"][1]["value"] = 64
    device = from_ibm(configuration, properties)
    assert device.durations.one_qubit_s == pytest.approx(32e-9)
    assert [qubit.duration_s for qubit in device.qubits] == [None, pytest.approx(64e-9), None]


@pytest.mark.parametrize(
    ("backend", "short", "full"),
    [
        ("ibm_fez", "fez", "IBM Fez"),
        ("ibmq_vigo", "vigo", "IBM Vigo"),
        ("ibmq_16_melbourne", "16-melbourne", "IBM 16 Melbourne"),
        ("fake_fractional", "fractional", "IBM Fractional"),
        ("ibmqx2", "ibmqx2", "IBM Ibmqx2"),
    ],
)
def test_the_names_of_ibms_backends_become_short_ones(backend: str, short: str, full: str) -> None:
    configuration, properties = ({**part, "backend_name": backend} for part in shapes.ibm())
    device = from_ibm(configuration, properties)
    assert (device.name, device.full_name) == (short, f"{full} (Heron r2)")
    del configuration["processor_type"]
    assert from_ibm(configuration, properties).full_name == full


@pytest.mark.parametrize("device", every_shape(), ids=lambda device: device.name)
def test_the_file_form_keeps_every_figure(device: Device, tmp_path: Any) -> None:
    path = tmp_path / "small.json"
    path.write_text(dump_device(device))
    again = load_device(path)
    assert dump_device(again) == dump_device(device)
    for before, after in zip(device.qubits, again.qubits, strict=True):
        figures = [figure for figure in before if figure is not None]
        assert [figure for figure in after if figure is not None] == pytest.approx(figures, rel=1e-5)
        assert [figure is None for figure in after] == [figure is None for figure in before]


def test_a_record_of_an_earlier_version_loads_with_what_it_says(tmp_path: Any) -> None:
    content = from_braket(shapes.iqm(), "small").model_dump(
        mode="json", exclude={"status", "program_sets", "windows", "grid"}
    )
    path = tmp_path / "small.json"
    path.write_text(json.dumps({"schema": "qcli.device/1", **content, "retired_on": "2026-09-01"}))
    device = load_device(path)
    assert (device.status, device.program_sets, device.windows, device.grid) == ("retired", None, None, None)


def broken() -> dict[str, Any]:
    cases: dict[str, Any] = {
        "a list": [],
        "text": "capabilities",
        "empty": {},
        "no schema": {"service": {}},
        "another vendor": {
            "braketSchemaHeader": {"name": "braket.device_schema.quera.quera_device_capabilities"}
        },
        "a header that is text": {"braketSchemaHeader": "iqm"},
    }
    for key in ("service", "paradigm", "standardized"):
        cases[f"without {key}"] = {k: v for k, v in shapes.iqm().items() if k != key}
    for key, wrong in (("oneQubitProperties", []), ("oneQubitProperties", None), ("twoQubitProperties", [])):
        case = copy.deepcopy(shapes.iqm())
        case["standardized"][key] = wrong
        cases[f"{key} is {wrong}"] = case
    edge = copy.deepcopy(shapes.iqm())
    edge["paradigm"]["connectivity"]["connectivityGraph"]["1"].append("1")
    cases["an edge from a qubit to itself"] = edge
    for version in ("99", None):
        later = shapes.iqm()
        later["braketSchemaHeader"]["version"] = version
        cases[f"version {version}"] = later
    for count in (1_000_000, 36.9, "36", 0, -1):
        crowd = shapes.ionq()
        crowd["paradigm"]["qubitCount"] = count
        cases[f"{count!r} ions"] = crowd
    fidelity = copy.deepcopy(shapes.iqm())
    fidelity["standardized"]["oneQubitProperties"]["1"]["oneQubitFidelity"][0]["fidelity"] = float("nan")
    cases["a fidelity that is no number"] = fidelity
    cases["no two-qubit gate"] = shapes.rigetti("xy")
    ion = shapes.ionq()
    del ion["provider"]["timing"]["2Q"]
    cases["ions without times"] = ion
    date_missing = shapes.iqm()
    date_missing["service"]["updatedAt"] = "yesterday"
    cases["a date that is none"] = date_missing
    return cases


@pytest.mark.parametrize("case", broken().values(), ids=broken().keys())
def test_a_foreign_or_truncated_file_is_refused(case: Any) -> None:
    with pytest.raises(QcliError) as caught:
        from_braket(case, "small", where="capabilities.json")
    error = caught.value
    assert error.what and error.fix
    assert error.where == "capabilities.json"
    assert error.exit_code == 2


def test_ibm_files_that_do_not_belong_together_are_refused() -> None:
    configuration, properties = shapes.ibm()
    with pytest.raises(QcliError, match="ibm_other"):
        from_ibm(configuration, properties | {"backend_name": "ibm_other"})
    with pytest.raises(QcliError, match="cut short"):
        from_ibm(configuration, {k: v for k, v in properties.items() if k != "gates"})
    with pytest.raises(QcliError, match="basis"):
        from_ibm(configuration | {"basis_gates": ["u3", "cnot"]}, properties)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"qubits": [[1], [1]]}, "twice"),
        ({"edges": [[1, 2, 0.1], [2, 1, 0.1]]}, "twice"),
        ({"edges": [[1, 1, 0.1]]}, "itself"),
        ({"edges": [[1, 7, 0.1]]}, "unknown qubits"),
        ({"edges": [[1, 2, 1.5]]}, r"edges\.0\.error"),
        ({"qubits": [[1, -1.0]]}, r"qubits\.0\.t1_s"),
        ({"colour": "blue"}, "colour"),
        ({"source": ""}, "source"),
        ({"grid": [[0, 0], [0, 0], [0, 1]]}, "a place of its own"),
        ({"retired_on": "2026-01-01", "status": "online"}, "retired on 2026-01-01, but online"),
        ({"program_sets": {"max_executables": 0, "max_total_shots": 1}}, "max_executables"),
        ({"windows": [["Monday", "25:00", "26:00"]]}, "windows"),
    ],
)
def test_an_impossible_record_is_refused_by_field(change: dict[str, Any], message: str) -> None:
    content = from_braket(shapes.iqm(), "small").model_dump(mode="json")
    with pytest.raises(QcliError, match=message):
        device_from(content | change, "here")

"""Any PennyLane device as a device: exact on average, journaled, and refused where it may cost what nobody can tell."""

import json
from functools import cache
from types import SimpleNamespace

import numpy as np
import pennylane as qml
import pytest
import torch
from pennylane.exceptions import DeviceError

from qcli import QcliError
from qcli.assess.jobs import wait
from qcli.assess.question import Spending
from qcli.assess.validate import rescore, validate_on_hardware
from qcli.circuit import measure
from qcli.circuit.program import Probabilities
from qcli.circuit.trace import trace
from qcli.execute.hardware import Hardware
from qcli.execute.journal import Journal
from qcli.execute.pennylane import PennyLane, known_free, option_value
from qcli.execute.reading import Reading
from qcli.simulate.cpu import CpuEngine
from tests.circuit.random_circuits import RandomCircuit
from tests.cli.helpers import asked, qcli
from tests.standins.braket import GARNET, BraketStandIn

WEIGHTS = torch.tensor([0.3, 1.9], dtype=torch.float64)
INPUTS = torch.tensor([[0.2, 1.1], [2.5, 0.4], [1.0, 1.0], [1.0, 1.0]], dtype=torch.float64)


@pytest.fixture
def reader(tmp_path):
    """Makes readers of one run directory, as successive processes do."""
    journals = []

    def make(name="pennylane:default.qubit", answers="answers", **options):
        client = PennyLane(name, options, tmp_path / answers)
        journals.append(Journal(tmp_path / "journal.sqlite", name, "run"))
        return Hardware(name, client, journals[-1], None, "separate", options=client.kept)

    yield make
    for journal in journals:
        journal.close()


@pytest.fixture
def box(monkeypatch):
    """A user's own device by the name `box.qubit`: what it is made with, its batches, and how it fails."""
    seen = SimpleNamespace(made=[], batches=[], error=None, answer=None)

    class Box(qml.devices.Device):
        def __init__(self, wires=None, shots=None, *, api_key=None, region="eu", levels=2):
            super().__init__(wires=wires, shots=shots)
            seen.made.append({"api_key": api_key, "region": region, "levels": levels})
            self._inner = qml.device("default.qubit", wires=wires, seed=1)

        def execute(self, circuits, execution_config=None):
            seen.batches.append(len(circuits))
            if seen.error:
                raise seen.error
            return tuple(seen.answer for _ in circuits) if seen.answer else self._inner.execute(circuits)

    monkeypatch.setitem(qml.plugin_devices, "box.qubit", SimpleNamespace(load=lambda: Box))
    return seen


@cache
def grouped(seed, wires):
    """A circuit for each group of measurements, and its angles."""
    program = trace(RandomCircuit(seed, wires, 2, 2, depth=12), 2, {"weights": (2,)})
    values = program.angle_map(INPUTS, WEIGHTS).numpy()
    return [measure.group_program(program, group) for group in measure.groups(program)], values


def readings(shots, seed=4, wires=3):
    """What a forward pass asks for, for all samples."""
    programs, values = grouped(seed, wires)
    return [Reading(each, values, shots) for each in programs]


def sigmas(found, reading):
    """How far frequencies lie off the exact distribution, where that leaves room for chance."""
    exact = CpuEngine().evaluate(reading.program, torch.as_tensor(reading.values)).numpy()
    certain = exact * (1 - exact) < 1e-9
    assert np.allclose(found[certain], exact[certain])
    deviation = np.sqrt(exact * (1 - exact) / reading.shots)
    return ((found - exact)[~certain] / deviation[~certain]).tolist()


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit"])
@pytest.mark.parametrize(("circuit", "wires"), [(4, 3), (8, 4)])
def test_frequencies_scatter_around_the_exact_distribution_as_shots_do(reader, device, circuit, wires):
    asked_for = readings(4_000, circuit, wires)
    found = reader(f"pennylane:{device}", seed=11).read(asked_for)
    assert len(found) > 1
    off = np.abs([each for pair in zip(found, asked_for, strict=True) for each in sigmas(*pair)])
    assert len(off) > 50
    assert off.max() < 5 and (off > 3).mean() < 0.02
    assert 0.7 < (off**2).mean() < 1.4


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit", "braket.local.qubit"])
def test_the_first_measured_wire_is_the_most_significant_bit(reader, device):
    def circuit(inputs):
        qml.RX(inputs[0], wires=0)
        qml.PauliX(wires=2)
        return qml.probs(wires=[2, 1, 0])

    program = trace(circuit, 1, {})
    assert program.measurements == (Probabilities((2, 1, 0)),)
    (found,) = reader(f"pennylane:{device}").read([Reading(program, np.array([[np.pi]]), 20)])
    assert np.flatnonzero(found[0]).tolist() == [0b101]


def test_equal_samples_are_measured_apart(reader):
    (first, *_) = readings(1000)
    found = reader().read([first])[0]
    assert np.array_equal(first.values[2], first.values[3])
    assert not np.array_equal(found[2], found[3])


def test_a_task_is_one_batch_of_the_device_and_is_never_run_again(reader, box):
    asked_for = readings(100)
    circuits = len(asked_for) * len(INPUTS)
    once = reader("pennylane:box.qubit").read(asked_for)
    again = reader("pennylane:box.qubit").read(asked_for)
    assert box.batches == [min(16, circuits - k) for k in range(0, circuits, 16)]
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))


@pytest.mark.parametrize(
    ("killed", "answers", "runs"), [("fetch", "answers", 0), ("fetch", "lost", 1), ("_run", "answers", 1)]
)
def test_a_killed_run_resumes_and_runs_again_only_what_it_has_no_result_of(
    reader, monkeypatch, killed, answers, runs
):
    (asked_for, *_) = readings(1000)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PennyLane, killed, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        reader().read([asked_for])
    again = reader(answers=answers)
    counted = []
    run = PennyLane._run
    monkeypatch.setattr(PennyLane, "_run", lambda self, circuits: counted.append(1) or run(self, circuits))
    (found,) = again.read([asked_for])
    assert len(counted) == runs
    assert found.sum(axis=1) == pytest.approx(1.0)
    entries = list(again.journal.entries())
    assert entries[-1].state == "done" and not any(entry.is_open for entry in entries)
    if answers == "lost":
        assert "ended before its result came" in entries[0].event("failed").detail["reason"]


def test_a_damaged_answer_is_kept_in_quarantine(reader, tmp_path, monkeypatch):
    monkeypatch.setenv("QCLI_POLL_S", "0.01")
    (asked_for, *_) = readings(10)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PennyLane, "fetch", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        reader().read([asked_for])
    (answer,) = (tmp_path / "answers").glob("*.json")
    answer.write_text('{"counts": [{"0"')
    again = reader()
    with pytest.raises(QcliError, match="cannot be its result"):
        again.read([asked_for])
    assert [entry.state for entry in again.journal.entries()] == ["quarantined"]


def test_a_failure_after_a_kill_may_be_tried_again(reader, monkeypatch, box):
    (asked_for, *_) = readings(10)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PennyLane, "_run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        reader("pennylane:box.qubit").read([asked_for])
    box.error = ConnectionError("offline")
    with pytest.raises(QcliError, match="offline"):
        reader("pennylane:box.qubit").read([asked_for])
    box.error = None
    assert reader("pennylane:box.qubit").read([asked_for])[0].shape[0] == len(INPUTS)


def test_braket_takes_a_task_as_one_program_set(reader, monkeypatch):
    with BraketStandIn(contrast=1.0) as service:
        for variable, value in service.environment().items():
            monkeypatch.setenv(variable, value)
        options = {"device_arn": GARNET, "poll_interval_seconds": 0.05}
        asked_for = readings(2000)[:2]
        found = reader("pennylane:braket.aws.qubit", **options).read(asked_for)
    assert service.calls["CreateQuantumTask"] == 1
    assert all(max(map(abs, sigmas(*pair))) < 5 for pair in zip(found, asked_for, strict=True))


@pytest.mark.parametrize(
    ("name", "options", "what", "fix"),
    [
        ("lightning.qbit", {}, "no PennyLane device 'lightning.qbit'", "lightning.qubit"),
        ("ionq.qpu", {}, "no PennyLane device", "pip install pennylane-ionq"),
        ("mylab.box", {}, "no PennyLane device", "Installed: braket.aws.ahs"),
        ("", {}, "no PennyLane device ''", "default.qubit"),
        ("lightning.qubit", {"sed": 3}, "unexpected keyword argument 'sed'", "it takes: wires, c_dtype"),
        ("braket.local.qubit", {"backend": "braket_xy"}, "braket_dm", "the device's own"),
        ("default.qubit", {"wires": 2}, "the circuit has 3 wires, pennylane:default.qubit 2", "leave"),
        ("default.qubit", {"shots": 9}, "no option of the device", "--shots"),
        ("default.qubit", {"max workers": 1}, "cannot be an option's name", "name=value"),
        ("default.qubit", {"seed": object()}, "no plain data", "number"),
    ],
)
def test_devices_and_options_that_are_not_there_are_refused_with_the_way_out(
    tmp_path, name, options, what, fix
):
    with pytest.raises(QcliError) as refusal:
        PennyLane(f"pennylane:{name}", options, tmp_path).open(3)
    assert what in refusal.value.what
    assert fix in refusal.value.fix


def test_a_register_that_does_not_fit_into_memory_is_refused(tmp_path):
    with pytest.raises(QcliError, match="40 wires need"):
        PennyLane("pennylane:lightning.qubit", {}, tmp_path).open(40)


@pytest.mark.parametrize(
    ("error", "answer", "what"),
    [
        (DeviceError("finite shots are not supported"), None, "DeviceError: finite shots are not supported"),
        (ConnectionError("offline, key sesame99"), None, "ConnectionError: offline, key <api_key>"),
        (MemoryError("2 TiB"), None, "out of memory: 2 TiB"),
        (None, {"000000": 10}, "answered {'000000': 10} where counts of"),
        (None, 0.5, "answered 0.5 where counts of"),
    ],
)
def test_what_a_plugin_says_is_passed_on_and_nothing_stays_open(reader, box, error, answer, what):
    box.error, box.answer = error, answer
    hardware = reader("pennylane:box.qubit", api_key="sesame99")
    with pytest.raises(QcliError) as refusal:
        hardware.read(readings(10)[:1])
    assert what in refusal.value.what
    assert [entry.state for entry in hardware.journal.entries()] == ["refused"]
    box.error = box.answer = None
    assert hardware.read(readings(10)[:1])[0].shape[0] == len(INPUTS)


def test_secrets_reach_the_device_and_are_not_written_down(reader, box, tmp_path):
    hardware = reader("pennylane:box.qubit", api_key="open sesame", region="us")
    hardware.read(readings(10)[:1])
    assert box.made == [{"api_key": "open sesame", "region": "us", "levels": 2}]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b'"options": {"region": "us"}' in written
    assert b"sesame" not in written


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("-0.5", -0.5),
        ("1e-3", 0.001),
        ("true", True),
        ("false", False),
        ("braket_dm", "braket_dm"),
        ("arn:aws:braket:::device/quantum-simulator/amazon/sv1",) * 2,
        ('"7"', "7"),
        ('["bucket", "prefix"]', ["bucket", "prefix"]),
        ("NaN", "NaN"),
        ("", ""),
    ],
)  # fmt: skip
def test_an_options_value_is_a_number_or_true_or_false_where_it_reads_like_one(text, value):
    assert option_value(text) == value
    assert type(option_value(text)) is type(value)


def test_only_simulators_on_this_machine_are_known_to_be_free():
    for name in ("default.qubit", "lightning.gpu", "braket.local.qubit", "qiskit.aer"):
        assert known_free(f"pennylane:{name}")
    for name in ("braket.aws.qubit", "qiskit.remote", "ionq.qpu", "honeywell.hqs", "aqt.sim", "mylab.box"):
        assert not known_free(f"pennylane:{name}")


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit"])
def test_a_validation_has_the_same_structure_on_every_device(run_copy, device):
    content = validate_on_hardware(run_copy, f"pennylane:{device}", inferences=12, shots=200)
    folder = run_copy.path / "hardware" / f"pennylane-{device}"
    assert json.loads((folder / "assessment.json").read_text()) == json.loads(json.dumps(content))
    assert len((folder / "samples.csv").read_text().splitlines()) == 13
    assert 0 < content["mean_abs_delta_expval"] < 0.1
    assert content["calibrated_on"] is None and content["circuit"] is None
    assert {k: content["cost"][k] for k in ("usd", "tasks", "circuits", "shots")} == {
        "usd": "0", "tasks": 1, "circuits": 12, "shots": 2400,
    }  # fmt: skip
    latency = content["latency_s_per_inference"]
    assert latency["execute"] > 0
    assert latency["compile"] + latency["execute"] + latency["postprocess"] == pytest.approx(latency["total"])


def test_a_validation_is_scored_again_from_its_journal_without_the_device(run_copy, box, monkeypatch):
    options = {"api_key": "open sesame", "region": "us"}
    asked_for = {"inferences": 8, "shots": 50}
    first = validate_on_hardware(
        run_copy, "pennylane:box.qubit", **asked_for, device_options=options, unpriced=True
    )
    assert first["device_options"] == {"region": "us"} and first["cost"] is None
    monkeypatch.delitem(qml.plugin_devices, "box.qubit")
    again = rescore(run_copy, "pennylane:box.qubit")
    for content in (first, again):
        del content["created"], content["latency_s_per_inference"]
        del content["simulation"]["seconds_per_inference"]
    assert first == again


def test_another_repetition_or_option_is_measured_anew(run_copy, box):
    def validate(**more):
        validate_on_hardware(run_copy, "pennylane:box.qubit", inferences=4, shots=50, unpriced=True, **more)

    validate()
    validate()
    validate(repetition=1)
    validate(device_options={"region": "us"})
    validate(device_options={"region": "us"})
    assert box.batches == [4, 4, 4]


@pytest.mark.parametrize(
    ("asked_for", "what", "code"),
    [
        ({"device": "pennylane:ionq.qpu"}, "no PennyLane device 'ionq.qpu' is installed", 2),
        ({"mitigation": ["readout"]}, "--mitigation does not go with", 2),
        ({"adaptive": True}, "--adaptive does not go with", 2),
        ({"vendor_compile": True}, "--vendor-compile does not go with", 2),
        ({"spending": Spending(plan="separate")}, "--plan does not go with", 2),
        ({"spending": Spending(max_cost=3)}, "could not keep to a cap", 2),
        ({"shots": 0}, "0 shots", 2),
        ({"device": "pennylane:braket.aws.qubit"}, "neither price nor cap", 3),
        ({"device": "pennylane:braket.aws.qubit", "unpriced": True}, "'device_arn'", 2),
        ({"device": "sim", "unpriced": True}, "--unpriced does not go with sim", 2),
        ({"device": "emulator/garnet", "device_options": {"seed": 1}}, "--device-option does not go with", 2),
    ],
)
def test_what_a_pennylane_device_cannot_do_is_refused_before_anything_is_written(
    run_copy, asked_for, what, code
):
    with pytest.raises(QcliError) as refusal:
        validate_on_hardware(
            run_copy, **{"device": "pennylane:lightning.qubit", "inferences": 2, **asked_for}
        )
    assert what in refusal.value.what
    assert refusal.value.exit_code == code
    assert not (run_copy.path / "hardware").exists()


def test_the_command_line_from_the_run_to_its_scores(run_copy):
    run, device = run_copy.path, "pennylane:lightning.qubit"
    command = (
        f"validate-on-hardware {run} --device {device} --device-option seed=3 --inferences 10 --shots 64"
    )
    first = asked(command)
    assert first["device"] == device and first["device_options"] == {"seed": 3}
    again = asked(command)
    assert again["hardware"] == first["hardware"]
    (job,) = asked(f"jobs list {run}")["jobs"]
    assert (job["device"], job["state"], job["circuits"], job["shots"]) == (device, "done", 10, 640)
    (scored,) = asked(f"assess {run}")["assessments"]
    assert scored["flipped"] == first["flipped"]
    failed = qcli(f"validate-on-hardware {run} --device pennylane:default.gaussian --inferences 2")
    assert failed.code == 1 and "Gate" in failed.what
    assert [each["device"] for each in asked(f"assess {run}")["assessments"]] == [device]
    assert device in (run / "report.html").read_text()
    assert qcli(f"jobs wait {run}").code == 0
    with pytest.raises(QcliError, match="run in the command that submits them"):
        wait(run, device)
    refused = qcli(f"validate-on-hardware {run} --device pennylane:braket.aws.qubit")
    assert refused.code == 3 and "--unpriced" in refused.err

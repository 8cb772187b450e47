"""IBM's own client, unchanged, against the stand-in."""

import time
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from qiskit.circuit import ClassicalRegister, Parameter, QuantumCircuit, QuantumRegister
from qiskit.primitives import PrimitiveResult
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit.quantum_info import Statevector
from qiskit_ibm_runtime import Batch, QiskitRuntimeService, Session
from qiskit_ibm_runtime.api.exceptions import RequestsApiError
from qiskit_ibm_runtime.exceptions import (
    IBMNotAuthorizedError,
    IBMRuntimeError,
    RuntimeInvalidStateError,
    RuntimeJobFailureError,
    RuntimeJobMaxTimeoutError,
    RuntimeJobTimeoutError,
)
from qiskit_ibm_runtime.executor_sampler import Sampler
from requests.adapters import HTTPAdapter
from samplomatic.quantum_program import CircuitItem
from urllib3.util.retry import Retry

from qcli.compile.transpile import compile_circuit
from qcli.compile.verbatim import verbatim
from qcli.device.catalogue import find
from tests.compile.circuits import template
from tests.standins.ibm import ACCOUNT, CRN, IbmStandIn
from tests.standins.ibm_machine import Machine
from tests.standins.server import Fault


@pytest.fixture
def serving(monkeypatch):
    """`with serving(stand-in's arguments) as stand_in`, with the environment that points the client at it."""

    @contextmanager
    def serve(*args, **options):
        with IbmStandIn(*args, **options) as stand_in:
            for name, value in stand_in.environment().items():
                monkeypatch.setenv(name, value)
            yield stand_in

    return serve


@pytest.fixture(scope="module")
def circuits():
    """Three qubits of the project's own, compiled for ibm/fez, for two samples."""
    compiled = compile_circuit(template(3), find("ibm/fez"), trials=1)
    return verbatim(compiled, np.random.default_rng(3).uniform(0.2, 3, (2, 6)))


def flip(qubits: int = 1) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits, qubits)
    circuit.x(range(qubits))
    circuit.measure(range(qubits), range(qubits))
    return circuit


def submit(pubs=None, shots=100, service=None, mode=None, **options):
    service = service or QiskitRuntimeService()
    sampler = Sampler(mode=mode or service.backend("ibm_fez"), options=options)
    return sampler.run(pubs or [flip()], shots=shots)


def counts(result: PrimitiveResult) -> list[dict[str, int]]:
    return [each.data.c.get_counts() for each in result]


def ideal(circuit: QuantumCircuit, register: str = "c") -> np.ndarray:
    """Chances of a register's values, by Qiskit."""
    read = {each.clbits[0]: each.qubits[0] for each in circuit.data if each.name == "measure"}
    acting = [each for each in circuit.data if each.name != "barrier"]
    used = sorted({circuit.find_bit(qubit).index for each in acting for qubit in each.qubits})
    small = QuantumCircuit(len(used))
    for each in acting:
        if each.name != "measure":
            small.append(each.operation, [used.index(circuit.find_bit(qubit).index) for qubit in each.qubits])
    bits = next(each for each in circuit.cregs if each.name == register)
    return Statevector(small).probabilities([used.index(circuit.find_bit(read[bit]).index) for bit in bits])


def frequencies(bits) -> np.ndarray:
    return np.bincount(bits.array.ravel(), minlength=2**bits.num_bits) / bits.num_shots


def assert_close(seen: np.ndarray, expected: np.ndarray, shots: int) -> None:
    assert np.all(np.abs(seen - expected) <= 5 * np.sqrt(expected * (1 - expected) / shots) + 1e-3)


def test_several_circuits_in_one_job_give_the_ideal_frequencies(serving, circuits):
    with serving(contrast=1) as stand_in:
        result = submit(circuits, shots=20_000).result()
    for circuit, each in zip(circuits, result, strict=True):
        assert_close(frequencies(each.data.c), ideal(circuit), 20_000)
    assert stand_in.submissions == stand_in.calls["CreateJob"] == 1


def test_every_gate_and_register_and_a_sweep_of_parameters(serving):
    angle, other = Parameter("a"), Parameter("b")
    qubits, low, high = QuantumRegister(156), ClassicalRegister(2, "low"), ClassicalRegister(2, "high")
    circuit = QuantumCircuit(qubits, low, high)
    for qubit in (3, 4, 16, 80):
        circuit.sx(qubit)
        circuit.rz(0.3 * qubit, qubit)
    circuit.rx(angle, 3)
    circuit.cz(3, 4)
    circuit.rzz(0.7, 3, 16)
    circuit.barrier()
    circuit.rz(2 * angle + other, 4)
    circuit.sx([3, 4, 16])
    circuit.id(5)
    circuit.x([7, 16])
    circuit.measure([16, 3], low)
    circuit.measure([80, 4], high)
    values = np.array([[0.1, 0.4], [1.2, -0.5], [2.9, 0.0]])
    with serving(contrast=1):
        (result,) = submit([(circuit, values)], shots=20_000).result()
    assert result.data.shape == (3,)
    for row, (a, b) in enumerate(values):
        bound = circuit.assign_parameters({angle: a, other: b})
        for name in ("low", "high"):
            assert_close(frequencies(result.data[name][row]), ideal(bound, name), 20_000)


def test_an_echoed_cross_resonance_gate_has_a_direction():
    circuit = QuantumCircuit(2, 2)
    circuit.sx(0)
    circuit.ecr(1, 0)
    circuit.rz(0.4, [0, 1])
    circuit.sx([0, 1])
    circuit.measure([0, 1], [0, 1])
    bits = Machine(0, 1.0).run(CircuitItem(circuit), 20_000)["c"]
    assert_close(np.bincount(bits @ [1, 2], minlength=4) / 20_000, ideal(circuit), 20_000)


@pytest.mark.parametrize(
    ("options", "shots"),
    [
        ({"twirling": {"enable_gates": True, "enable_measure": True}}, 20_000),
        ({"twirling": {"enable_gates": True, "strategy": "all"}}, 20_000),
        ({"dynamical_decoupling": {"enable": True, "sequence_type": "XY4"}}, 20_000),
        ({"twirling": {"enable_measure": True}, "dynamical_decoupling": {"enable": True}}, 1_000),
    ],
)
def test_twirling_and_decoupling_leave_the_frequencies_and_the_counts_repeat(
    serving, circuits, options, shots
):
    with serving(contrast=1):
        service = QiskitRuntimeService()
        first, again = (submit(circuits, shots, service, **options).result() for _ in range(2))
    assert counts(first) == counts(again)
    for circuit, each in zip(circuits, first, strict=True):
        taken = each.data.c.num_shots
        assert taken == (1024 if shots == 1_000 else shots)  # a twirl rounds the shots up
        assert_close(frequencies(each.data.c), ideal(circuit), taken)


def test_counts_follow_from_circuit_shots_and_seed_in_any_company(serving, circuits):
    with serving(seed=1):
        service = QiskitRuntimeService()
        together = counts(submit(circuits, service=service).result())
        apart = [counts(submit([each], service=service).result())[0] for each in reversed(circuits)]
        more = counts(submit(circuits, shots=101, service=service).result())
    with serving(seed=2):
        other = counts(submit(circuits).result())
    assert together == apart[::-1]
    assert together != other
    assert together != more


def test_a_lost_shot_is_a_random_outcome(serving):
    with serving(contrast=0.6):
        (result,) = submit([flip(2)], shots=20_000).result()
    assert_close(frequencies(result.data.c), np.array([0.1, 0.1, 0.1, 0.7]), 20_000)


def test_sixty_circuits_take_about_a_second():
    compiled = compile_circuit(template(8), find("ibm/fez"), trials=1)
    sent = verbatim(compiled, np.random.default_rng(0).uniform(0, 3, (60, len(compiled.parameters))))
    machine, start = Machine(0, 0.85), datetime.now()
    for circuit in sent:
        machine.run(CircuitItem(circuit), 512)
    assert datetime.now() - start < timedelta(seconds=5)


def test_a_saved_account_does_as_well(serving, monkeypatch, tmp_path):
    with serving() as stand_in:
        for name in ("QISKIT_IBM_TOKEN", "QISKIT_IBM_INSTANCE", "QISKIT_IBM_URL"):
            monkeypatch.delenv(name)
        service = QiskitRuntimeService(filename=str(stand_in.account_file(tmp_path)))
        assert service.backend("ibm_fez").num_qubits == 156
        assert service.active_instance() == CRN


def test_wrong_credentials_show_only_when_something_is_asked(serving, monkeypatch):
    with serving():
        monkeypatch.setenv("QISKIT_IBM_TOKEN", "another")
        with pytest.warns(UserWarning, match="Unable to retrieve IBM Cloud access token"):
            service = QiskitRuntimeService()
        assert ACCOUNT in service.active_instance()


def test_a_job_is_found_again_by_its_id_and_its_tags(serving, circuits):
    circuits = [circuit.copy() for circuit in circuits]
    circuits[1].metadata = {"fingerprint": "f00"}
    with serving() as stand_in:
        service, fresh = QiskitRuntimeService(), QiskitRuntimeService()
        job = submit(circuits, service=service, environment={"job_tags": ["qcli", "run-1"]})
        for _ in range(20):
            submit(service=service, environment={"job_tags": ["qcli", "run-2"]})
        again = fresh.job(job.job_id())
        assert again.tags == ["qcli", "run-1"] == stand_in.jobs[job.job_id()].tags
        result = again.result()
        assert counts(result) == counts(job.result())
        assert [each.metadata["circuit_metadata"] for each in result] == [{}, {"fingerprint": "f00"}]
        assert [each.job_id() for each in fresh.jobs(job_tags=["qcli", "run-1"])] == [job.job_id()]
        assert len(fresh.jobs(job_tags=["qcli"], limit=None)) == 21
        assert [each.job_id() for each in fresh.jobs(limit=1, descending=False)] == [job.job_id()]
        assert fresh.jobs(job_tags=["run-1"], pending=True) == []
        assert fresh.jobs(job_tags=["run-1"], created_after=datetime.now() + timedelta(minutes=1)) == []
        assert job.update_tags(["new"]) == ["new"]
        sent = [item.circuit for item in again.inputs["quantum_program"].items]
        assert sent == circuits


def test_usage_and_times_of_a_job(serving):
    with serving() as stand_in:
        stand_in.usage_limit_s = 600
        job = submit([flip()] * 3, shots=1300)
        job.wait_for_final_state()
        metrics = job.metrics()
        assert job.usage() == pytest.approx(3.0)
        assert metrics["usage"]["status"] == "complete"
        created, running, finished = (
            metrics["timestamps"][name] for name in ("created", "running", "finished")
        )
        assert created <= running <= finished
        assert job.usage_estimation == {"quantum_seconds": pytest.approx(3.0)}
        usage = QiskitRuntimeService().usage()
        assert usage["usage_consumed_seconds"] == pytest.approx(3.0)
        assert usage["usage_remaining_seconds"] == pytest.approx(597.0)
    (stored,) = stand_in.jobs.values()
    assert (stored.status, stored.usage_s, stored.program_id) == ("Completed", pytest.approx(3.0), "executor")


def test_queued_jobs_have_a_position_and_run_in_time(serving):
    with serving(queue_s=3600) as stand_in:
        stand_in.run_s = 0.3
        service = QiskitRuntimeService()
        first, second = submit(service=service), submit(service=service)
        assert (first.status(), first.usage()) == ("QUEUED", 0)
        assert second.metrics()["position_in_queue"] == 2
        assert service.backend("ibm_fez").status().pending_jobs == 2
        with pytest.raises(RuntimeJobTimeoutError):
            first.result(timeout=0.1)
        for job in stand_in.jobs.values():  # the hour is over
            job.due = time.time()
        assert second.result(poll_interval=0.1)[0].data.c.num_shots == 100
        assert "position_in_queue" not in second.metrics()


def test_a_queued_job_can_be_cancelled_and_a_finished_one_cannot(serving):
    with serving(queue_s=60) as stand_in:
        job = submit()
        job.cancel()
        again = QiskitRuntimeService().job(job.job_id())
        assert (again.status(), again.usage()) == ("CANCELLED", 0)
        with pytest.raises(RuntimeInvalidStateError, match="cancelled"):
            again.result()
        stand_in.queue_s = 0
        done = submit()
        done.wait_for_final_state()
        with pytest.raises(RuntimeInvalidStateError, match="cannot be cancelled"):
            done.cancel()


def test_a_job_over_its_time_ends_at_the_limit(serving):
    with serving() as stand_in:
        job = submit(shots=39_000, max_execution_time=5)
        with pytest.raises(RuntimeJobMaxTimeoutError, match="1305"):
            job.result()
        assert (job.status(), job.usage()) == ("ERROR", 5)
        assert "ran longer than maximum execution time" in job.error_message()
        assert submit(shots=39_000, max_execution_time=12).result()[0].data.c.num_shots == 39_000
    assert [job.max_execution_time for job in stand_in.jobs.values()] == [5, 12]


@pytest.mark.parametrize(("mode", "named"), [(Session, "dedicated"), (Batch, "batch")])
def test_sessions_and_batches(serving, mode, named):
    with serving() as stand_in:
        service = QiskitRuntimeService()
        with mode(service.backend("ibm_fez"), max_time="5m") as session:
            jobs = [submit(service=service, mode=session) for _ in range(2)]
            assert [job.result()[0].data.c.get_counts().keys() >= {"1"} for job in jobs] == [True, True]
            assert session.details()["mode"] == named
            assert session.status() == "In progress, accepting new jobs"
        assert session.status() == "Closed"
        assert session.usage() == pytest.approx(2 * (2 + 100 / 3900))
        assert {job.session_id for job in stand_in.jobs.values()} == {session.session_id}
        assert len(service.jobs(session_id=session.session_id)) == 2
        again = mode.from_id(session.session_id, service)
        assert again.details()["state"] == "closed"
        again._active = True
        with pytest.raises(IBMRuntimeError, match="session has been closed"):
            submit(service=service, mode=again)


def test_the_calibration_may_change_during_a_run(serving):
    with serving() as stand_in:
        backend = QiskitRuntimeService().backend("ibm_fez")
        before = backend.properties()
        job = submit()
        job.wait_for_final_state()
        when = datetime.now(UTC) + timedelta(seconds=30)
        stand_in.calibrate(when, worse=2)
        after = backend.properties(refresh=True)
        assert after.last_update_date == when
        assert after.readout_error(7) == pytest.approx(2 * before.readout_error(7))
        assert job.properties().last_update_date == before.last_update_date


@pytest.mark.parametrize(
    ("kind", "error", "match", "created"),
    [
        ("unauthorized", IBMNotAuthorizedError, "401", 0),
        ("forbidden", IBMRuntimeError, "403", 0),
        ("quota", IBMRuntimeError, "409.*Usage exceeds instance limit", 0),
        ("backend-offline", IBMRuntimeError, "not available", 0),
        ("bad-request", IBMRuntimeError, "400", 0),
        ("throttle", IBMRuntimeError, "429", 0),
        ("drop-before", IBMRuntimeError, "Connection aborted", 0),
        ("drop-after", IBMRuntimeError, "Connection aborted", 1),
        ("cut", IBMRuntimeError, "IncompleteRead", 1),
    ],
)
def test_a_job_that_is_refused_or_whose_answer_is_lost(serving, kind, error, match, created):
    with serving(faults=[Fault("CreateJob", kind)]) as stand_in:
        with pytest.raises(error, match=match):
            submit()
        assert stand_in.submissions == len(stand_in.jobs) == created
        assert stand_in.injected == {kind: 1}
        submit().result()


def test_the_client_itself_repeats_a_post_after_a_server_error_unless_told_not_to(serving):
    with serving(faults=[Fault("CreateJob", "504-after")]) as stand_in:
        submit()
        assert stand_in.submissions == 2
        stand_in.faults = [Fault("CreateJob", "504-after")]
        service = QiskitRuntimeService()
        for client in service._get_api_clients().values():
            once = HTTPAdapter(
                max_retries=Retry(2, backoff_factor=0.1, status_forcelist=[500, 502, 503, 504])
            )
            client._session.mount("http://", once)
        with pytest.raises(IBMRuntimeError, match="504") as refused:
            submit(service=service)
        assert refused.value.__context__.status_code == 504
        assert stand_in.submissions == 3
        stand_in.faults = [Fault("GetJob", "503", times=2)]
        assert service.job(next(iter(stand_in.jobs))).done()


def test_a_throttled_question_is_asked_again_and_a_lost_answer_too(serving):
    with serving() as stand_in:
        job = submit()
        stand_in.faults = [
            Fault("GetJob", "throttle"),
            Fault("GetJob", "drop-after"),
            Fault("GetResults", "500"),
        ]
        assert job.result()
        stand_in.faults = [Fault("GetResults", "cut")]
        with pytest.raises(RequestsApiError, match="IncompleteRead"):
            job.result()


def test_jobs_that_end_badly(serving):
    fates = ["job-error", "job-cancelled", "queue-forever", "partial", "wrong-shots"]
    with serving(faults=[Fault("CreateJob", fate) for fate in fates]) as stand_in:
        service = QiskitRuntimeService()
        failed, cancelled, queued, partial, wrong = (
            submit([flip(), flip(2)], service=service) for _ in fates
        )
        with pytest.raises(RuntimeJobFailureError, match="1010"):
            failed.result()
        assert failed.usage() == 0
        with pytest.raises(RuntimeInvalidStateError):
            cancelled.result()
        assert len(partial.result()) == 1
        assert [each.data.c.num_shots for each in wrong.result()] == [50, 50]
        assert queued.status() == "QUEUED"
        queued.cancel()
    ends = [job.status for job in stand_in.jobs.values()]
    assert ends == ["Failed", "Cancelled", "Cancelled", "Completed", "Completed"]


def test_results_that_are_late_spoilt_or_of_another_job(serving):
    with serving(contrast=1) as stand_in:
        service = QiskitRuntimeService()
        other, job = submit([flip(3)], service=service), submit(service=service)
        other.wait_for_final_state()
        stand_in.faults = [
            Fault("GetResults", kind) for kind in ("late", "truncated", "not-json", "other-job")
        ]
        assert job.result() is None
        for _ in range(2):
            with pytest.raises(TypeError, match="string indices"):
                job.result()
        assert counts(job.result()) == [{"111": 100}]
        assert counts(job.result()) == [{"1": 100}]
        stand_in._jobs.pop(other.job_id())
        stand_in.faults = [Fault("GetResults", "other-job")]
        assert len(counts(job.result())[0]) == 2


def test_a_circuit_that_the_backend_cannot_run_fails(serving):
    far = QuantumCircuit(156, 1)
    far.cz(0, 100)
    far.measure(0, 0)
    with serving(), pytest.raises(RuntimeJobFailureError, match=r"1517.*cz on qubits \(0, 100\)"):
        submit([far]).result()


def test_a_paused_backend_takes_jobs_and_an_offline_one_refuses_them(serving):
    with serving(("fez", "torino")) as stand_in:
        service = QiskitRuntimeService()
        backend = service.backend("ibm_fez")
        stand_in.condition["ibm_fez"] = "paused"
        with pytest.warns(UserWarning, match="status of internal"):
            job = submit(service=service)
        assert (job.status(), backend.status().operational) == ("QUEUED", True)
        stand_in.condition["ibm_fez"] = "offline"
        assert not backend.status().operational
        with pytest.raises(IBMRuntimeError, match="not available"):
            submit(service=service)
        assert service.least_busy().name == "ibm_torino"
        stand_in.condition["ibm_fez"] = "active"
        assert job.result()


def test_past_the_usage_limit_jobs_wait(serving):
    with serving() as stand_in:
        submit().wait_for_final_state()
        stand_in.usage_limit_s = 2
        with pytest.warns(UserWarning, match="met its usage limit"):
            job = submit()
        assert job.status() == "QUEUED"
        stand_in.usage_limit_s = 600
        assert job.result()


def test_a_backend_list_that_cannot_be_had_looks_like_a_missing_backend(serving):
    with serving() as stand_in:
        service = QiskitRuntimeService()
        stand_in.faults = [Fault("GetBackends", "cut")]
        with pytest.raises(QiskitBackendNotFoundError):
            service.backend("ibm_fez")


def test_faults_that_do_not_exist_are_named():
    with pytest.raises(ValueError, match="no such faults: \\['job-eror'\\]"):
        IbmStandIn(faults=[Fault("CreateJob", "job-eror")])


def test_nothing_is_warned_of_in_an_undisturbed_run(serving, circuits):
    with serving(), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        submit(circuits).result()

"""The stand-in for Amazon Braket, under the vendor's own SDK."""

import json
import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request as URLRequest
from urllib.request import urlopen

import boto3
import numpy as np
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError, ResponseStreamingError
from braket.aws import AwsDevice, AwsQuantumTask, AwsSession
from braket.circuits import Circuit, FreeParameter
from braket.circuits.serialization import IRType
from braket.emulation.local_emulator import LocalEmulator
from braket.program_sets import CircuitBinding, ProgramSet
from braket.schema_common import BraketSchemaBase
from braket.task_result import ProgramSetExecutableFailure
from braket.tracking import Tracker

from qcli.compile.transpile import compile_circuit
from qcli.compile.verbatim import verbatim
from qcli.device.catalogue import find
from qcli.device.live import refreshed
from qcli.device.vendor_file import device_of
from tests.compile.circuits import distribution, of_braket, template
from tests.standins import braket_circuits
from tests.standins.braket import (
    ACCESS_KEY,
    ACCOUNT,
    ALTERED,
    BUCKET,
    CEPHEUS,
    EMERALD,
    FORTE,
    GARNET,
    BraketStandIn,
    Fault,
    capabilities,
)
from tests.standins.braket_model import OPERATIONS

Start = Callable[..., BraketStandIn]
ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"})
PLACE = {"outputS3Bucket": BUCKET, "outputS3KeyPrefix": "runs/one"}
PAIR = Circuit().add_verbatim_box(Circuit().prx(4, 1.1, 0.3).cz(4, 5).prx(5, 2.0, 0.1)).measure([5, 4])


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a stand-in and points the environment to it."""
    for name in ("AWS_PROFILE", "AMZN_BRAKET_OUT_S3_BUCKET", "AMZN_BRAKET_TASK_RESULTS_S3_URI"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:

        def begin(**options: Any) -> BraketStandIn:
            stand_in = stack.enter_context(BraketStandIn(**options))
            for name, value in stand_in.environment().items():
                monkeypatch.setenv(name, value)
            return stand_in

        yield begin


@cache
def boto(region: str) -> boto3.Session:
    """Kept, for it reads the service models; where the services are is asked anew for every client."""
    return boto3.Session(region_name=region)


def session(region: str = "eu-north-1", config: Config | None = None) -> AwsSession:
    return AwsSession(boto(region), config=config, default_bucket=BUCKET)


def submit(aws: AwsSession, what: Circuit | ProgramSet = PAIR, shots: int = 100, **more: Any) -> str:
    content = what.to_ir() if isinstance(what, ProgramSet) else what.to_ir(IRType.OPENQASM)
    kwargs = {"deviceArn": GARNET, "shots": shots, "action": content.json(), **PLACE, **more}
    return str(aws.create_quantum_task(**kwargs))


def results(aws: AwsSession, arn: str) -> str:
    found = aws.get_quantum_task(arn)
    return aws.retrieve_s3_object_body(found["outputS3Bucket"], found["outputS3Directory"] + "/results.json")


def code(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return str(caught.value.response["Error"]["Code"])


def frequencies(rows: np.ndarray) -> np.ndarray:
    """Of each outcome; the first column is the least significant bit, as in Qiskit."""
    values = rows @ (1 << np.arange(rows.shape[1]))
    return np.bincount(values, minlength=2 ** rows.shape[1]) / len(rows)


def far(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).sum() / 2)


@pytest.mark.parametrize("name", ["garnet", "emerald", "cepheus-1-108q", "ankaa-3", "forte-enterprise-1"])
def test_capabilities_are_valid_and_read_back_to_the_record(name: str) -> None:
    record = find(f"braket/{name}")
    content = json.loads(json.dumps(capabilities(record)))
    parsed = BraketSchemaBase.parse_raw_schema(json.dumps(content))
    assert type(parsed).__name__ == f"{record.vendor.capitalize()}DeviceCapabilities"
    assert isinstance(LocalEmulator.from_device_properties(parsed), LocalEmulator)
    read = device_of({"deviceCapabilities": content, "deviceStatus": record.status.upper()}, "", name, "")
    told = {"source", "licence", "notes", "qubits", "edges"}
    assert read.model_dump(exclude=told) == record.model_dump(exclude=told)
    for found, known in ((read.qubits, record.qubits), (read.edges, record.edges)):
        np.testing.assert_allclose(np.array(found, float), np.array(known, float), rtol=1e-9)


def test_a_figure_that_is_none_stays_none() -> None:
    record = find("braket/garnet")
    first = record.qubits[0]._replace(error_1q=None, t2_s=None, p1_given_0=None, p0_given_1=None)
    edges = (record.edges[0]._replace(error=None), *record.edges[1:])
    damaged = record.model_copy(update={"qubits": (first, *record.qubits[1:]), "edges": edges})
    read = device_of(capabilities(damaged), "", "garnet", "")
    assert read.qubits[0] == first
    assert read.edges[0] == edges[0]


def test_the_project_reads_devices_live(start: Start) -> None:
    start()
    device = refreshed("braket/garnet")
    assert (device.qubit_count, device.status) == (20, "online")


@pytest.mark.parametrize(
    ("arn", "name", "shots"), [(GARNET, "garnet", 20_000), (FORTE, "forte-enterprise-1", 5_000)]
)
def test_verbatim_circuits_give_the_ideal_outcomes(start: Start, arn: str, name: str, shots: int) -> None:
    stand_in = start(contrast=1.0)
    angles = np.random.default_rng(1).uniform(0.2, 2, (1, 6))
    source = template(3)
    compiled = compile_circuit(source, find(f"braket/{name}"), trials=1)
    (circuit,) = verbatim(compiled, angles)
    task = AwsDevice(arn).run(circuit, (BUCKET, "runs"), shots=shots)
    result = task.result()
    assert tuple(result.measured_qubits) == compiled.layout
    ideal = distribution(of_braket(circuit))
    intended = distribution(source.assign_parameters(dict(zip(compiled.parameters, angles[0], strict=True))))
    np.testing.assert_allclose(ideal, intended, atol=1e-9)
    assert far(frequencies(result.measurements), ideal) < 0.03
    stored = stand_in.tasks[task.id]
    assert (stored.status, stored.shots, stored.device_arn) == ("COMPLETED", shots, arn)


def test_every_gate_of_the_sdk_is_simulated() -> None:
    every = Circuit().h(0).ry(1, 0.7).u(2, 0.4, 0.5, 0.6).i(0).x(0).y(1).z(2).s(0).si(1).t(2).ti(0).v(1).vi(2)
    every.rx(0, 0.3).rz(1, 0.2).phaseshift(2, 1.0).cnot(0, 2).swap(1, 2).iswap(2, 0).pswap(0, 1, 0.3).xy(
        2, 1, 0.9
    )
    every.cphaseshift(0, 1, 0.3).cphaseshift00(1, 0, 0.4).cphaseshift01(0, 2, 0.5).cphaseshift10(2, 1, 0.6)
    every.cv(0, 1).cy(1, 2).cz(2, 0).ecr(1, 0).xx(0, 2, 0.4).yy(2, 1, 0.3).zz(1, 0, 0.8).ccnot(2, 0, 1)
    every.cswap(1, 2, 0).gpi(0, 0.3).gpi2(1, 0.4).prx(2, 0.5, 0.6).ms(2, 0, 0.1, 0.2, 0.3)
    program = braket_circuits.read(every.to_ir(IRType.OPENQASM).source)
    found = braket_circuits.probabilities(braket_circuits.bind(program, {}), program.measured)
    np.testing.assert_allclose(found, np.abs(every.to_unitary()[:, 0]) ** 2, atol=1e-9)
    part = braket_circuits.probabilities(braket_circuits.bind(program, {}), (2,))
    np.testing.assert_allclose(part, found.reshape(4, 2).sum(axis=0), atol=1e-9)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("OPENQASM 3.0; qubit[2] q; ctrl @ x q[0], q[1];", "unsupported statement"),
        ("OPENQASM 3.0; qubit[1] q; rx(0.1, 0.2) q[0];", "unsupported gate: rx of 2 angles"),
        ("OPENQASM 3.0; input float a; qubit[1] q; rx(2*a) q[0];", "angle 2\\*a: name 'a'"),
        ("OPENQASM 3.0;", "no qubits"),
    ],
)
def test_circuits_that_cannot_run_are_refused(source: str, message: str) -> None:
    with pytest.raises(braket_circuits.CircuitError, match=message):
        braket_circuits.bind(braket_circuits.read(source), {})


def test_sixty_circuits_take_less_than_a_second() -> None:
    rng = np.random.default_rng(0)

    def source() -> str:
        inner = Circuit()
        for step in range(150):
            if step % 3:
                inner.prx(int(rng.integers(8)), *rng.uniform(0, 6, 2))
            else:
                inner.cz(*map(int, rng.choice(8, 2, replace=False)))
        return str(Circuit().add_verbatim_box(inner).measure(range(8)).to_ir(IRType.OPENQASM).source)

    sources = [source() for _ in range(60)]
    begun = time.process_time()
    rows = [braket_circuits.measurements(text, {}, 512, 0, 0.8) for text in sources]
    assert time.process_time() - begun < 1
    assert {each.shape for each in rows} == {(512, 8)}


def test_contrast_mixes_in_random_outcomes(start: Start) -> None:
    start(contrast=0.5)
    result = AwsDevice(GARNET).run(PAIR, (BUCKET, "runs"), shots=20_000).result()
    expected = 0.5 * distribution(of_braket(PAIR)) + 0.5 / 4
    assert far(frequencies(result.measurements), expected) < 0.02


def test_outcomes_depend_on_circuit_inputs_shots_and_seed_alone(start: Start) -> None:
    counts = []
    for seed in (0, 0, 1):
        start(seed=seed)
        aws = session()
        found = [
            json.loads(results(aws, submit(aws, shots=shots)))["measurements"] for shots in (100, 100, 101)
        ]
        assert found[0] == found[1]
        assert found[0] != found[2][:100]
        counts.append(found[0])
    assert counts[0] == counts[1] != counts[2]


def test_inputs_of_programs_and_program_sets_are_bound(start: Start) -> None:
    start(contrast=1.0)
    tilt, phase = FreeParameter("tilt"), FreeParameter("phase")

    def circuit(a: Any, b: Any) -> Circuit:
        return (
            Circuit().add_verbatim_box(Circuit().prx(1, a, 0.2).cz(1, 2).prx(2, 2 * a + b, b)).measure([2, 1])
        )

    device = AwsDevice(GARNET)
    values = {"tilt": [0.4, 1.9], "phase": [0.5, 1]}
    alone = device.run(circuit(tilt, phase), (BUCKET, "runs"), shots=10_000, inputs={"tilt": 1.9, "phase": 1})
    several = ProgramSet(
        [circuit(0.4, 0.5), CircuitBinding(circuit(tilt, phase), values)], shots_per_executable=10_000
    )
    fixed, bound = device.run(several, (BUCKET, "runs")).result().entries
    expected = [distribution(of_braket(circuit(a, b))) for a, b in zip(*values.values(), strict=True)]
    assert far(frequencies(alone.result().measurements), expected[1]) < 0.02
    assert far(frequencies(fixed[0].measurements), expected[0]) < 0.02
    for entry, ideal in zip(bound.entries, expected, strict=True):
        assert far(frequencies(entry.measurements), ideal) < 0.02
        assert entry.measured_qubits == [2, 1]
    assert bound.entries[1].inputs == {"tilt": 1.9, "phase": 1}


@pytest.mark.parametrize("inline", [True, False])
def test_a_partial_program_set_pays_for_what_ran(start: Start, inline: bool) -> None:
    stand_in = start(inline=inline, faults=[Fault("CreateQuantumTask", "partial")])
    several = ProgramSet([PAIR] * 5, shots_per_executable=100)
    task = AwsDevice(GARNET).run(several, (BUCKET, "runs"))
    result = task.result()
    failed = [isinstance(entry.entries[0], ProgramSetExecutableFailure) for entry in result.entries]
    assert failed == [False, True, False, False, True]
    assert (result.task_metadata.totalFailedExecutables, result.task_metadata.successfulShots) == (2, 300)
    assert task.metadata()["numSuccessfulShots"] == 300
    assert task.metadata()["actionMetadata"]["executableCount"] == 5
    assert stand_in.charged == Decimal("0.30") + 300 * Decimal("0.00145")


def test_limits_of_program_sets(start: Start) -> None:
    stand_in = start()
    aws = session(config=ONCE)

    def refused(count: int, shots: int, **more: Any) -> str:
        with pytest.raises(ClientError) as caught:
            submit(aws, ProgramSet([PAIR] * count), shots, **more)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
        return str(caught.value)

    assert "at most 100" in refused(101, 101)
    assert "not divisible by 3" in refused(3, 100)
    assert "at most 200000" in refused(20, 200_020)
    assert "between 1 and 20000" in refused(2, 40_002)
    del stand_in.devices[GARNET]["action"]["braket.ir.openqasm.program_set"]
    assert "not supported" in refused(2, 100)
    assert stand_in.submissions == 0


def test_circuits_are_checked_against_the_device(start: Start) -> None:
    stand_in = start()

    def refused(region: str, arn: str, inner: Circuit, *, boxed: bool = True) -> str:
        circuit = Circuit().add_verbatim_box(inner) if boxed else inner
        with pytest.raises(ClientError) as caught:
            submit(session(region), circuit, deviceArn=arn)
        return str(caught.value)

    assert "rx is not a native gate" in refused("eu-north-1", GARNET, Circuit().rx(1, 0.1))
    assert "qubits 1 and 20 are not connected" in refused("eu-north-1", GARNET, Circuit().cz(1, 20))
    assert "qubits [21] do not exist" in refused("eu-north-1", GARNET, Circuit().prx(21, 0.1, 0.2))
    assert "u is not supported" in refused("eu-north-1", GARNET, Circuit().u(0, 0.1, 0.2, 0.3), boxed=False)
    assert "not a multiple of pi/2" in refused("us-west-1", CEPHEUS, Circuit().rx(0, 0.1))
    mixed = Circuit().add_verbatim_box(Circuit().gpi(0, 0.1)).h(0)
    assert "outside the verbatim box" in refused("us-east-1", FORTE, mixed, boxed=False)
    assert stand_in.submissions == 0
    bad = Circuit().add_verbatim_box(Circuit().cz(1, 20))
    with pytest.raises(ClientError) as caught:
        AwsDevice(GARNET).run(ProgramSet([PAIR, bad], shots_per_executable=10), (BUCKET, "runs"))
    (failure,) = caught.value.response["programSetValidationFailures"]
    assert (failure["programIndex"], failure["errors"]) == (1, ["qubits 1 and 20 are not connected"])


def test_a_client_token_makes_one_task(start: Start) -> None:
    stand_in = start()
    aws = session()
    first = submit(aws, clientToken="abc")
    assert submit(session(), clientToken="abc") == first
    assert submit(aws, clientToken="abd") != first
    assert code(submit, aws, shots=101, clientToken="abc") == "ValidationException"
    assert (stand_in.submissions, len(stand_in.tasks)) == (2, 2)
    assert stand_in.tasks[first].token == "abc"
    stand_in.tokens.clear()
    assert submit(aws, clientToken="abc") != first


@pytest.mark.parametrize("kind", ["throttle", "500", "503", "drop-before", "drop-after"])
def test_the_sdk_repeats_a_submission_with_its_token(start: Start, kind: str) -> None:
    stand_in = start(faults=[Fault("CreateQuantumTask", kind)])
    submit(session())
    assert (stand_in.calls["CreateQuantumTask"], stand_in.submissions) == (2, 1)
    assert stand_in.injected == {kind: 1}


@pytest.mark.parametrize(("kind", "error"), [("drop-after", HTTPClientError), ("cut", KeyError)])
def test_a_lost_answer_is_found_again_by_its_token(start: Start, kind: str, error: type[Exception]) -> None:
    """Of an answer that is cut, botocore makes an empty one."""
    stand_in = start(faults=[Fault("CreateQuantumTask", kind)])
    with pytest.raises(error):
        submit(session(config=ONCE), clientToken="abc")
    assert submit(session(), clientToken="abc") == next(iter(stand_in.tasks))
    assert stand_in.submissions == 1


def test_refusals_have_the_codes_of_the_service(start: Start) -> None:
    modelled = {shape.name for shape in OPERATIONS["CreateQuantumTask"].error_shapes}
    signing = {
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "RequestTimeTooSkewed",
    }
    stand_in = start()
    aws = session(config=ONCE)
    for kind in sorted(modelled | signing):
        stand_in.faults.append(Fault("CreateQuantumTask", kind))
        assert code(submit, aws) == kind
    stand_in.faults.append(Fault("CreateQuantumTask", "spending-limit"))
    with pytest.raises(ClientError, match=r"ValidationException.*spending limit"):
        submit(aws)
    stand_in.faults.append(Fault("CreateQuantumTask", "unheard of"))
    with pytest.raises(ClientError) as caught:
        submit(aws)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert stand_in.submissions == 0


def test_requests_are_checked_against_the_service_model(start: Start) -> None:
    stand_in = start()
    aws = session(config=ONCE)
    assert code(submit, aws, clientToken="x" * 65) == "ValidationException"
    assert code(submit, aws, outputS3KeyPrefix="a/../b") == "ValidationException"
    assert code(submit, aws, outputS3Bucket="amazon-braket-another") == "ValidationException"
    assert code(submit, aws, tags={"run": "a#b"}) == "ValidationException"
    assert code(submit, aws, action="{}") == "ValidationException"
    assert code(submit, aws, shots=20_001) == "ValidationException"
    signed = {"Authorization": f"Credential={ACCESS_KEY}/20260101/eu-north-1/braket/aws4_request"}
    for body, told in ((b'{"surprise": 1}', "surprise"), (b"{", "not valid JSON"), (b"{}", "clientToken")):
        with pytest.raises(HTTPError) as caught:
            urlopen(URLRequest(f"{stand_in.url}/quantum-task", body, signed))
        assert caught.value.headers["x-amzn-ErrorType"] == "ValidationException"
        assert told in json.load(caught.value)["message"]
    assert stand_in.submissions == 0


def test_a_task_waits_runs_and_is_paid_at_the_end(start: Start) -> None:
    stand_in = start(queue_s=3600, run_s=60)
    aws = session()
    arn, second = submit(aws), submit(aws)
    task = AwsQuantumTask(second, aws)
    assert task.queue_position().queue_position == "2"
    assert AwsDevice(GARNET, aws).queue_depth().quantum_tasks["Normal"] == "2"
    stored = stand_in.tasks[arn]
    for seconds, status in ((0, "CREATED"), (1000, "QUEUED"), (2601, "RUNNING")):
        stand_in.advance(seconds)
        assert aws.get_quantum_task(arn)["status"] == stored.status == status
        assert code(results, aws, arn) == "NoSuchKey"
        assert (stored.ended, stand_in.charged) == (None, 0)
    stand_in.advance(60)
    assert task.queue_position().queue_position is None
    assert stored.ended is not None
    assert (stored.ended - stored.created).total_seconds() == 3660
    assert task.result().measured_qubits == [5, 4]
    assert stand_in.charged == 2 * (Decimal("0.30") + 100 * Decimal("0.00145"))


def test_cancelled_tasks_cost_nothing(start: Start) -> None:
    stand_in = start(faults=[Fault("CreateQuantumTask", "queue-forever")])
    aws = session()
    task, done = AwsQuantumTask(submit(aws), aws), submit(aws)
    assert (task.state(), stand_in.tasks[task.id].waiting) == ("CREATED", True)
    task.cancel()
    task.cancel()
    assert task.state() == stand_in.tasks[task.id].status == "CANCELLED"
    assert task.result() is None
    assert code(aws.cancel_quantum_task, done) == "ConflictException"
    assert stand_in.charged == stand_in.tasks[done].usd == Decimal("0.445")


def test_tasks_end_as_the_faults_say(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    kinds = ("task-failed", "task-expired", "task-cancelled", "task-failed")
    stand_in = start(faults=[Fault("CreateQuantumTask", kind) for kind in kinds])
    aws = session()
    tasks = [AwsQuantumTask(submit(aws), aws) for _ in range(3)]
    with caplog.at_level(logging.ERROR, "braket"):
        assert [task.result() for task in tasks] == [None] * 3
    assert [task.state() for task in tasks] == ["FAILED", "FAILED", "CANCELLED"]
    assert ["failureReason" in task.metadata() for task in tasks] == [True, True, False]
    several = AwsQuantumTask(submit(aws, ProgramSet([PAIR, PAIR])), aws)
    (metadata,) = json.loads(results(aws, several.id))["taskMetadata"]["programMetadata"][:1]
    assert metadata["executables"][0]["category"] == "DEVICE"
    assert several.result().task_metadata.totalFailedExecutables == 2
    assert (stand_in.charged, stand_in.submissions, stand_in.injected["task-failed"]) == (0, 4, 2)


def test_results_that_are_late_spoilt_or_forbidden(start: Start) -> None:
    stand_in = start()
    aws = session()
    arn = submit(aws)
    good = json.loads(results(aws, arn))
    assert good["taskMetadata"]["id"] == arn
    assert good["measuredQubits"] == [5, 4]

    def spoilt(kind: str) -> str:
        stand_in.faults.append(Fault("GetObject", kind))
        return results(aws, arn)

    assert code(spoilt, "late") == "NoSuchKey"
    assert code(spoilt, "forbidden") == "AccessDenied"
    for kind in ("truncated", "not-json"):
        with pytest.raises(ValueError):
            json.loads(spoilt(kind))
    for kind in ALTERED[2:]:
        assert BraketSchemaBase.parse_raw_schema(spoilt(kind))
    assert json.loads(spoilt("other-task"))["taskMetadata"]["id"] != arn
    fewer = json.loads(spoilt("wrong-shots"))
    assert (len(fewer["measurements"]), fewer["taskMetadata"]["shots"]) == (99, 99)
    assert json.loads(spoilt("wrong-qubits"))["measuredQubits"] == [6, 5]
    stand_in.faults.append(Fault("GetObject", "cut"))
    with pytest.raises(ResponseStreamingError):
        results(aws, arn)
    assert json.loads(results(aws, arn)) == good


def test_buckets(start: Start) -> None:
    stand_in = start()
    aws = AwsSession(boto3.Session(region_name="eu-north-1"))
    assert aws.account_id == ACCOUNT
    assert aws.default_bucket() == f"amazon-braket-eu-north-1-{ACCOUNT}"
    assert aws.default_bucket() in stand_in.buckets
    aws._default_bucket = None
    assert aws.default_bucket() in stand_in.buckets
    storage = boto3.client("s3", config=ONCE)
    storage.head_bucket(Bucket=BUCKET)
    storage.put_object(Bucket=BUCKET, Key="notes/a.txt", Body=b"text")
    assert storage.get_object(Bucket=BUCKET, Key="notes/a.txt")["Body"].read() == b"text"
    assert storage.head_object(Bucket=BUCKET, Key="notes/a.txt")["ContentLength"] == 4
    arn = submit(aws)
    keys = aws.list_keys(BUCKET, "")
    assert keys == ["notes/a.txt", f"{stand_in.tasks[arn].directory}/results.json"]
    storage.delete_object(Bucket=BUCKET, Key="notes/a.txt")
    assert code(storage.head_object, Bucket=BUCKET, Key="notes/a.txt") == "404"
    assert code(storage.head_bucket, Bucket="amazon-braket-another") == "404"
    assert storage.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] == "eu-north-1"
    assert {each["Name"] for each in storage.list_buckets()["Buckets"]} == stand_in.buckets
    stand_in.faults += [Fault("HeadBucket", "NoSuchBucket"), Fault("HeadBucket", "AccessDenied")]
    assert [code(storage.head_bucket, Bucket=BUCKET) for _ in range(2)] == ["404", "403"]
    stand_in.faults += [
        Fault("CreateBucket", "BucketAlreadyExists"),
        Fault("GetCallerIdentity", "ExpiredToken"),
    ]
    fresh = AwsSession(boto3.Session(region_name="us-west-1"))
    assert code(lambda: fresh.account_id) == "ExpiredToken"
    with pytest.raises(ValueError, match="already exists"):
        fresh.default_bucket()


def test_tasks_are_found_by_tags_and_status(start: Start) -> None:
    stand_in = start(faults=[Fault("CreateQuantumTask", "queue-forever", after=2)])
    aws = session()
    arns = [submit(aws, tags={"run": run}) for run in ("a", "b", "a")]

    def search(**filters: str) -> list[str]:
        given = [
            {"name": name.replace("_", ":"), "operator": "EQUAL", "values": [value]}
            for name, value in filters.items()
        ]
        pages = aws.braket_client.get_paginator("search_quantum_tasks").paginate(
            filters=given, PaginationConfig={"PageSize": 1}
        )
        return [task["quantumTaskArn"] for page in pages for task in page["quantumTasks"]]

    assert search() == arns[::-1]
    assert search(tags_run="a") == [arns[2], arns[0]]
    assert search(tags_run="a", status="COMPLETED") == [arns[0]]
    assert search(deviceArn=EMERALD) == search(tags_other="a") == []
    assert code(search, shots="100") == "ValidationException"
    assert session("us-east-1").braket_client.search_quantum_tasks(filters=[])["quantumTasks"] == []
    between = [stand_in.tasks[arns[0]].created.isoformat(), "2100"]
    late = [{"name": "createdAt", "operator": "BETWEEN", "values": between}]
    found = aws.braket_client.search_quantum_tasks(filters=late)["quantumTasks"]
    assert {task["tags"]["run"] for task in found} == {"a", "b"}


def test_spending_limits(start: Start) -> None:
    stand_in = start(faults=[Fault("CreateQuantumTask", "queue-forever", after=1)])
    aws = session(config=ONCE)
    search = aws.braket_client.search_spending_limits
    assert search()["spendingLimits"] == []
    stand_in.limit(GARNET, "1")
    submit(aws)
    submit(aws)
    with pytest.raises(ClientError, match="spending limit"):
        submit(aws)
    (found,) = search(filters=[{"name": "deviceArn", "operator": "EQUAL", "values": [GARNET]}])[
        "spendingLimits"
    ]
    money = [Decimal(found[name]) for name in ("spendingLimit", "totalSpend", "queuedSpend")]
    assert money == [1, Decimal("0.44"), Decimal("0.44")]
    assert (
        search(filters=[{"name": "deviceArn", "operator": "EQUAL", "values": [EMERALD]}])["spendingLimits"]
        == []
    )


def test_the_tracker_of_the_sdk_agrees_about_the_cost(start: Start) -> None:
    stand_in = start(queue_s=0.01)
    with Tracker() as tracker:
        AwsDevice(GARNET).run(PAIR, (BUCKET, "runs"), shots=100, poll_interval_seconds=0.02).result()
        several = ProgramSet([PAIR] * 2, shots_per_executable=50)
        AwsDevice(GARNET).run(several, (BUCKET, "runs"), poll_interval_seconds=0.02).result()
    assert tracker.qpu_tasks_cost() == stand_in.charged == Decimal("0.89")
    stand_in.prices[GARNET] = (Decimal(1), Decimal("0.5"))
    submit(session())
    stand_in.advance(1)
    assert stand_in.charged == Decimal("51.89")


def test_devices_live_in_their_regions(start: Start) -> None:
    stand_in = start(region="us-east-1")
    device = AwsDevice(GARNET)
    assert device.aws_session.region == "eu-north-1"
    assert (device.name, device.provider_name, device.status, device.is_available) == (
        "Garnet",
        "IQM",
        "ONLINE",
        True,
    )
    assert code(session("us-east-1").get_device, GARNET) == "ResourceNotFoundException"
    assert code(submit, session("us-east-1")) == "ValidationException"
    arn = submit(session())
    assert (
        code(session("us-east-1").braket_client.get_quantum_task, quantumTaskArn=arn)
        == "ResourceNotFoundException"
    )
    assert AwsQuantumTask(arn).result().measured_qubits == [5, 4]
    with pytest.raises(ValueError, match="not found"):
        AwsDevice(GARNET.replace("Garnet", "Other"))
    found = AwsDevice.get_devices(provider_names=["IQM", "IonQ"])
    assert {each.arn for each in found} == {GARNET, EMERALD, FORTE}
    assert stand_in.calls["SearchDevices"] == len(AwsDevice.REGIONS)


@pytest.mark.parametrize(
    ("status", "refusal"), [("OFFLINE", "DeviceOfflineException"), ("RETIRED", "DeviceRetiredException")]
)
def test_a_device_that_is_not_online_takes_no_tasks(start: Start, status: str, refusal: str) -> None:
    stand_in = start()
    stand_in.statuses[GARNET], stand_in.depths[GARNET] = status, ">4000"
    stand_in.devices[EMERALD]["service"]["executionWindows"] = []
    device = AwsDevice(GARNET)
    assert (device.status, device.queue_depth().quantum_tasks["Normal"]) == (status, ">4000")
    assert not AwsDevice(EMERALD).is_available
    assert code(submit, device.aws_session) == refusal


def test_other_keys_are_not_known(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    start()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY[::-1])
    aws = AwsSession(boto3.Session(), config=ONCE)
    assert code(aws.get_device, GARNET) == "UnrecognizedClientException"
    assert code(lambda: aws.account_id) == "InvalidClientTokenId"
    assert code(aws.retrieve_s3_object_body, BUCKET, "a") == "InvalidAccessKeyId"


def test_the_sdk_gets_through_chaos_with_one_task_a_token(start: Start) -> None:
    stand_in = start(chaos=random.Random(3), rate=0.3)
    stand_in.chaotic = ("500", "503", "drop-before", "drop-after")
    aws = session(config=Config(retries={"total_max_attempts": 10, "mode": "standard"}))
    arns = [submit(aws, clientToken=str(index)) for index in range(20)]
    assert list(stand_in.tasks) == arns
    assert stand_in.submissions == 20 < stand_in.calls["CreateQuantumTask"]

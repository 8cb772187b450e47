"""What would be read live, against stand-ins for the two clients."""

import copy
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from braket.aws import AwsSession
from qiskit_ibm_runtime.exceptions import IBMBackendError
from qiskit_ibm_runtime.models import BackendProperties

from qcli.device import live
from qcli.device.catalogue import names
from qcli.errors import QcliError
from tests.device import shapes

GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"


@pytest.fixture(autouse=True)
def no_accounts(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, and no service asked for them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "QISKIT_IBM_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr("qiskit_ibm_runtime.QiskitRuntimeService.saved_accounts", lambda: {})


def session(answer: Any) -> MagicMock:
    stand_in = MagicMock(spec=AwsSession)
    stand_in.get_device.side_effect = [answer]
    return stand_in


def service(error: Exception | None = None) -> Any:
    """IBM's objects as they come: dates are datetime objects in them."""
    configuration, properties = shapes.ibm()
    with_dates = copy.deepcopy(properties) | {
        "backend_version": "1",
        "general": [],
    }
    for parameters in [*(gate["parameters"] for gate in with_dates["gates"]), *with_dates["qubits"]]:
        for parameter in parameters:
            parameter["date"] = "2026-04-17T12:00:00+02:00"
    backend = SimpleNamespace(
        configuration=lambda: SimpleNamespace(to_dict=lambda: configuration),
        properties=lambda: BackendProperties.from_dict(with_dates),
    )

    def named(name: str) -> Any:
        if error:
            raise error
        assert name == "ibm_small"
        return backend

    return SimpleNamespace(backend=named)


def test_braket_is_asked_for_the_device_by_its_arn() -> None:
    stand_in = session(shapes.get_device(shapes.iqm(), "iqm", "Garnet"))
    answer = live.live_capabilities("braket/garnet", session=stand_in)
    stand_in.get_device.assert_called_once_with(GARNET)
    assert answer["deviceName"] == "Garnet"


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("braket/")])
def test_every_bundled_device_on_braket_has_an_arn(name: str) -> None:
    stand_in = session({})
    live.live_capabilities(name, session=stand_in)
    (arn,) = stand_in.get_device.call_args.args
    assert arn.lower().endswith(name.partition("/")[2])


def test_a_device_that_the_sdk_does_not_know_is_refused() -> None:
    with pytest.raises(QcliError, match="knows no device braket/utopia"):
        live.live_capabilities("braket/utopia", session=session({}))


def test_ibms_answer_becomes_plain_data_and_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = live.live_capabilities("ibm/small", service=service())
    assert answer["properties"]["last_update_date"].startswith("2026-04-17")
    monkeypatch.setattr(live, "live_capabilities", lambda name: answer)
    device = live.refreshed("ibm/small")
    assert (device.key, device.qubit_count) == ("ibm/small", 2)
    assert device.source == "IBM Quantum backend properties, read live"


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not you"}}, "GetDevice"),
        EndpointConnectionError(endpoint_url="https://braket"),
    ],
)
def test_a_refusal_of_braket_ends_with_1(error: Exception) -> None:
    with pytest.raises(QcliError, match="the service refused") as caught:
        live.live_capabilities("braket/garnet", session=session(error))
    assert caught.value.exit_code == 1


def test_a_refusal_of_ibm_ends_with_1() -> None:
    with pytest.raises(QcliError, match=r"the service refused: .*no backend") as caught:
        live.live_capabilities("ibm/small", service=service(IBMBackendError("no backend")))
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("name", "what"), [("braket/garnet", "AWS_ACCESS_KEY_ID"), ("ibm/fez", "QISKIT_IBM_TOKEN")]
)
def test_without_credentials_the_message_says_what_to_set(name: str, what: str) -> None:
    with pytest.raises(QcliError, match="no credentials for") as caught:
        live.live_capabilities(name)
    assert what in caught.value.fix and caught.value.exit_code == 2

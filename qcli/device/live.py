"""Today's calibration from the vendors' services.

Written after the clients' own code and tried against stand-ins; it was never run against the live services.
"""

import json
from typing import Any

from qcli.device.catalogue import resolve
from qcli.device.record import Device
from qcli.device.vendor_file import device_of
from qcli.errors import QcliError

_SET = {
    "braket": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `aws configure`",
    "ibm": "set QISKIT_IBM_TOKEN, or save an account: QiskitRuntimeService.save_account(token=…, instance=…)",
}


def refreshed(name: str) -> Device:
    """The device `braket/garnet` with the figures that its vendor serves now.

    Raises:
        QcliError: no credentials, the service refuses, or its answer cannot be read.
    """
    return device_of(live_capabilities(name), name, name.partition("/")[2], "read live")


def has_credentials(provider: str) -> bool:
    """Whether credentials for `braket` or `ibm` are set on this computer; the service is not asked."""
    if provider == "braket":
        import boto3

        return boto3.Session().get_credentials() is not None
    import os

    from qiskit_ibm_runtime import QiskitRuntimeService

    return bool(os.environ.get("QISKIT_IBM_TOKEN") or QiskitRuntimeService.saved_accounts())


def no_credentials(*providers: str) -> QcliError:
    """What to set where credentials are missing."""
    return QcliError(
        f"no credentials for {' or '.join({'braket': 'AWS', 'ibm': 'IBM Quantum'}[p] for p in providers)}",
        "this computer",
        "; ".join(_SET[provider] for provider in providers)
        + "; without an account: qcli devices import FILE",
    )


def live_capabilities(name: str, session: Any = None, service: Any = None) -> dict[str, Any]:
    """A device's properties as its vendor serves them now, in the forms that `device_of` reads.

    Args:
        name: `braket/garnet`, `ibm/fez`.
        session: a `braket.aws.AwsSession`; default one in the device's region.
        service: a `qiskit_ibm_runtime.QiskitRuntimeService`; default the saved account's.

    Raises:
        QcliError: no credentials (exit 2), or the service refuses (exit 1).
    """
    provider, _, short = name.partition("/")
    if provider == "braket":
        return _get_device(arn(name), session)
    return _backend(f"ibm_{short}", service)


def _get_device(arn: str, session: Any) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    if session is None:
        import boto3
        from braket.aws import AwsDevice, AwsSession

        if not has_credentials("braket"):
            raise no_credentials("braket")
        session = AwsSession(boto3.Session(region_name=AwsDevice.get_device_region(arn)))
    try:
        answer = session.get_device(arn)
    except (BotoCoreError, ClientError) as error:
        raise _refused(str(error), arn, "braket") from None
    return dict(answer)


def _backend(name: str, service: Any) -> dict[str, Any]:
    from qiskit_ibm_runtime.exceptions import IBMError

    try:
        if service is None:
            from qiskit_ibm_runtime import QiskitRuntimeService

            if not has_credentials("ibm"):
                raise no_credentials("ibm")
            service = QiskitRuntimeService()
        return served(service.backend(name))
    except (IBMError, OSError) as error:
        raise _refused(str(error), name, "ibm") from None


def served(backend: Any) -> dict[str, Any]:
    """Configuration and properties of one of IBM's backends as plain data."""
    parts = {
        "configuration": backend.configuration().to_dict(),
        "properties": backend.properties().to_dict(),
    }
    return dict(json.loads(json.dumps(parts, default=str)))


def _refused(message: str, where: str, provider: str) -> QcliError:
    return QcliError(f"the service refused: {message}", where, _SET[provider], exit_code=1)


def arn(name: str) -> str:
    """The ARN of `braket/garnet`.

    Raises:
        QcliError: the installed Braket SDK knows no such device.
    """
    from braket.devices import Devices

    providers = (provider for provider in vars(Devices).values() if hasattr(provider, "__members__"))
    for known in (device.value for provider in providers for device in provider):
        if resolve(known, [name]):
            return str(known)
    raise QcliError(
        f"the installed Braket SDK knows no device {name}", name, "import its file: qcli devices import"
    )

"""Forms of the services: Braket's routes, fields and errors from botocore's model, and the codes of S3 and STS."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from tests.standins.server import Reply, Request

ACCOUNT = "123456789012"
PRICES = "/offers/index.csv"
XML = {"Content-Type": "text/xml"}

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
_BAD_TAG = re.compile(r"[^\w .:/=+\-@]")
_OBJECT_CALLS = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
_BUCKET_CALLS = {"HEAD": "HeadBucket", "PUT": "CreateBucket"}

_MODEL = ServiceModel(Loader().load_service_model("braket", "service-2"))
OPERATIONS = {name: _MODEL.operation_model(name) for name in _MODEL.operation_names}
_ROUTES = {
    name: (model.http["method"], re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>.+)", model.http["requestUri"])))
    for name, model in OPERATIONS.items()
}

_SIGNING = {
    "ExpiredTokenException": 403,
    "InvalidSignatureException": 403,
    "RequestTimeTooSkewed": 403,
    "SignatureDoesNotMatch": 403,
    "UnrecognizedClientException": 403,
}
_STATUSES = {
    "braket": {
        **{shape.name: shape.metadata["error"]["httpStatusCode"] for shape in _MODEL.error_shapes},
        **_SIGNING,
        "ServiceUnavailableException": 503,
    },
    "s3": {
        "AccessDenied": 403,
        "BucketAlreadyExists": 409,
        "BucketAlreadyOwnedByYou": 409,
        "ExpiredToken": 400,
        "InternalError": 500,
        "InvalidAccessKeyId": 403,
        "MethodNotAllowed": 405,
        "NoSuchBucket": 404,
        "NoSuchKey": 404,
        "RequestTimeTooSkewed": 403,
        "ServiceUnavailable": 503,
        "SignatureDoesNotMatch": 403,
        "SlowDown": 503,
    },
    "sts": {
        "AccessDenied": 403,
        "ExpiredToken": 403,
        "InternalFailure": 500,
        "InvalidClientTokenId": 403,
        "ServiceUnavailable": 503,
        "SignatureDoesNotMatch": 403,
        "Throttling": 400,
    },
}
_MESSAGES = {
    "AccessDenied": "Access Denied",
    "AccessDeniedException": f"User: arn:aws:iam::{ACCOUNT}:user/planted is not authorized to do this",
    "BucketAlreadyExists": "The requested bucket name is not available.",
    "BucketAlreadyOwnedByYou": "You already own this bucket.",
    "DeviceOfflineException": "Device is currently offline.",
    "DeviceRetiredException": "Device is retired.",
    "ExpiredToken": "The provided token has expired.",
    "ExpiredTokenException": "The security token included in the request is expired",
    "InternalServiceException": "The request failed because of an unknown error.",
    "InvalidAccessKeyId": "The AWS Access Key Id you provided does not exist in our records.",
    "InvalidClientTokenId": "The security token included in the request is invalid.",
    "NoSuchBucket": "The specified bucket does not exist",
    "NoSuchKey": "The specified key does not exist.",
    "RequestTimeTooSkewed": "The difference between the request time and the current time is too large.",
    "ServiceQuotaExceededException": "You have exceeded the service quota of concurrent quantum tasks.",
    "SignatureDoesNotMatch": "Signature expired: 20000101T000000Z is now earlier than 20000101T000500Z",
    "SlowDown": "Please reduce your request rate.",
    "ThrottlingException": "Rate exceeded",
    "UnrecognizedClientException": "The security token included in the request is invalid.",
    "spending-limit": "The estimated cost of the quantum task exceeds the remaining spending limit of the device.",
}
_CODES = {"late": "NoSuchKey", "forbidden": "AccessDenied", "spending-limit": "ValidationException"}

UNKNOWN_KEY = {
    "braket": "UnrecognizedClientException",
    "s3": "InvalidAccessKeyId",
    "sts": "InvalidClientTokenId",
}
BUSY = {
    "braket": {
        "throttle": "ThrottlingException",
        "500": "InternalServiceException",
        "503": "ServiceUnavailableException",
    },
    "s3": {"throttle": "SlowDown", "500": "InternalError", "503": "ServiceUnavailable"},
    "sts": {"throttle": "Throttling", "500": "InternalFailure", "503": "ServiceUnavailable"},
}


class RefusalError(Exception):
    """An error by its code or by the kind of a fault; `more` are further fields of it."""

    def __init__(self, kind: str, message: str = "", **more: Any) -> None:
        self.code = _CODES.get(kind, kind)
        self.message = message or _MESSAGES.get(kind, kind)
        self.more = more

    def reply(self, service: str) -> Reply:
        """In the service's form; status 501 says that the stand-in does not know this error there."""
        status = _STATUSES[service].get(self.code, 501)
        if service == "braket":
            return Reply(status, {"message": self.message, **self.more}, {"x-amzn-ErrorType": self.code})
        text = f"<Error><Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message></Error>"
        return Reply(status, text if service == "s3" else f"<ErrorResponse>{text}</ErrorResponse>", XML)


def invalid(message: str, **more: Any) -> RefusalError:
    return RefusalError("ValidationException", message, **more)


def scope(request: Request) -> tuple[str, str, str]:
    """Key, region and service that a request is signed for; empty if it is not signed."""
    found = _CREDENTIAL.search(request.headers.get("authorization", ""))
    return (found[1], found[2], found[3]) if found else ("", "", "")


def operation_of(request: Request) -> str:
    """Its name in botocore; what is signed for neither Braket nor STS is S3's, whose addresses are path-style."""
    service = scope(request)[2]
    if request.path == PRICES:
        return "GetPrices"
    if service == "sts":
        return "GetCallerIdentity"
    if service == "braket":
        fitting = (
            name
            for name, (method, route) in _ROUTES.items()
            if method == request.method and route.fullmatch(request.path)
        )
        return next(fitting, "Unknown")
    bucket, _, key = request.path.lstrip("/").partition("/")
    if key:
        return _OBJECT_CALLS.get(request.method, "Unknown")
    if request.method != "GET":
        return _BUCKET_CALLS.get(request.method, "Unknown")
    if "location" in request.query:
        return "GetBucketLocation"
    return "ListObjectsV2" if bucket else "ListBuckets"


def service_of(operation: str) -> str:
    if operation in OPERATIONS:
        return "braket"
    return "sts" if operation == "GetCallerIdentity" else "s3"


def parameters(operation: str, request: Request) -> dict[str, Any]:
    """What one of Braket's operations is asked with, checked against the service model.

    Raises:
        RefusalError: it does not fit.
    """
    shape = OPERATIONS[operation].input_shape
    path = _ROUTES[operation][1].fullmatch(request.path)
    try:
        params = dict(request.json)
    except ValueError:
        raise invalid("The body of the request is not valid JSON.") from None
    for name, member in shape.members.items():
        where, given = member.serialization.get("location"), member.serialization.get("name", name)
        if where == "uri" and path:
            params[name] = path[given]
        elif where == "querystring" and given in request.query:
            values = request.query[given]
            params[name] = values if member.type_name == "list" else values[0]
    check(params, shape)
    return params


def check(content: Mapping[str, Any], shape: Any) -> None:
    """Types, required fields, lengths and patterns; botocore's validator leaves the last two to the service.

    Raises:
        RefusalError: something does not fit.
    """
    report = ParamValidator().validate(content, shape)
    problems = [report.generate_report()] if report.has_errors() else []
    for name, member in shape.members.items():
        value, most = content.get(name), member.metadata.get("max")
        if isinstance(value, str | list) and most is not None and len(value) > most:
            problems.append(f"{name} has length {len(value)}, at most {most}")
        pattern = member.metadata.get("pattern")
        if isinstance(value, str) and pattern and not re.fullmatch(pattern, value):
            problems.append(f"{name} does not match {pattern}")
    if problems:
        raise invalid("; ".join(problems))


def check_tags(tags: Mapping[str, str]) -> None:
    """AWS's general limits of tags.

    Raises:
        RefusalError: a tag breaks them.
    """
    if len(tags) > 50:
        raise invalid("More than 50 tags.")
    for key, value in tags.items():
        if (
            not 0 < len(key) <= 128
            or len(value) > 256
            or _BAD_TAG.search(key + value)
            or key.startswith("aws:")
        ):
            raise invalid(f"Invalid tag {key}.")


def page(name: str, found: Sequence[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a list that a search asks for."""
    start, size = int(params.get("nextToken") or 0), params.get("maxResults", 10)
    more = {"nextToken": str(start + size)} if start + size < len(found) else {}
    return {name: found[start : start + size], **more}

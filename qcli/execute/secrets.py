"""What must never stand in a log, a journal, a report or a traceback: credentials, account ids, buckets."""

import os
import re
from urllib.parse import quote

_PATTERNS = (
    (re.compile(r"(?i)\bcrn%3Av1%3A[^\s\"',\])&]+"), "<instance>"),
    (re.compile(r"\bcrn:v1:[^\s\"',\])]+"), "<instance>"),
    (re.compile(r"\b(?:s3://|arn:aws[\w-]*:s3:::)[^\s\"',\])]+"), "<bucket>"),
    (re.compile(r"(?<=//)[\w.-]+(?=\.s3[\w.-]*\.amazonaws\.com)"), "<bucket>"),
    (re.compile(r"(?<=amazonaws\.com/)(?=[\w.-]*\w/)[\w.-]+"), "<bucket>"),
    (re.compile(r"\bamazon-braket-[\w.-]+"), "<bucket>"),
    (re.compile(r"\bA(?:KIA|SIA|ROA|IDA|GPA|IPA|NPA|NVA|BIA|CCA)[A-Z0-9]{8,}\b"), "<access key>"),
    (re.compile(r"(?i)(?<=\bX-Amz-Security-Token=)[\w%.~+/=-]+"), "<token>"),
    (re.compile(r"(?i)(?<=\bX-Amz-Signature=)\w+"), "<signature>"),
    (re.compile(r"\bIBMid-\w+"), "<account>"),
    (re.compile(r"(?<=:)\d{12}(?=:)"), "<account>"),
    (re.compile(r"\bBearer\s+[\w.~+/=-]+"), "<token>"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "<token>"),
    (re.compile(r"(?i)\bapi_?key[\"']?(?:\s*[:=]\s*|\s+)[\"']?[\w.~+/=-]{16,}"), "<token>"),
)
_ACCOUNT = re.compile(
    r"(?i)\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{24,}\b"
    r"|(?<!\d)(?<!\d\.)(?P<account>\d{12})(?!\d)(?!\.\d)"
)
"""Twelve digits, but not those of a uuid, a hash or a decimal fraction."""
_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "QISKIT_IBM_TOKEN",
    "QISKIT_IBM_INSTANCE",
)
_LEAST = 4
_known: dict[str, str] = {}


def hide(value: str | None, name: str) -> None:
    """From now on `value` is shown as `<name>`."""
    if value and len(value) >= _LEAST:
        _known[value] = _known[quote(value, safe="")] = f"<{name}>"


def redacted(text: str) -> str:
    """`text` without what is secret."""
    return _ACCOUNT.sub(lambda found: "<account>" if found["account"] else found[0], _redacted(text))


def redacted_bytes(raw: bytes) -> bytes:
    """A vendor's answer without what is secret; figures in it that merely look like an account id stay."""
    return _redacted(raw.decode("latin-1")).encode("latin-1")


def _redacted(text: str) -> str:
    for variable in _VARIABLES:
        hide(os.environ.get(variable), variable.lower().replace("_", " "))
    for value, name in sorted(_known.items(), key=lambda each: -len(each[0])):
        text = text.replace(value, name)
    for pattern, name in _PATTERNS:
        text = pattern.sub(name, text)
    return text

"""What must never stand in a log, a journal, a report or a traceback: credentials, account ids, buckets."""

import os
import re

_PATTERNS = (
    (re.compile(r"(?i)\bcrn%3Av1%3A[^\s\"',\])&]+"), "<instance>"),
    (re.compile(r"\bcrn:v1:[^\s\"',\])]+"), "<instance>"),
    (re.compile(r"\b(?:s3://|arn:aws[\w-]*:s3:::)[^\s\"',\])]+"), "<bucket>"),
    (re.compile(r"\bamazon-braket-[\w.-]+"), "<bucket>"),
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{8,}\b"), "<access key>"),
    (re.compile(r"(?<!\d)\d{12}(?!\d)"), "<account>"),
    (re.compile(r"\bBearer\s+[\w.~+/=-]+"), "<token>"),
    (re.compile(r"(?i)\bapikey\s+[\w.~+/=-]+"), "<token>"),
)
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
        _known[value] = f"<{name}>"


def redacted(text: str) -> str:
    """`text` without what is secret."""
    for variable in _VARIABLES:
        hide(os.environ.get(variable), variable.lower().replace("_", " "))
    for value, name in sorted(_known.items(), key=lambda each: -len(each[0])):
        text = text.replace(value, name)
    for pattern, name in _PATTERNS:
        text = pattern.sub(name, text)
    return text

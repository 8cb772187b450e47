"""What is secret never shows; everything else stays as it is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.execute import secrets
from qcli.execute.secrets import hide, redacted, redacted_bytes

ACCOUNT = "123456789012"
CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/0f0e0d0c0b0a09080706050403020100:9d3c-aa::"
JWT = "eyJraWQiOiIyMDI2In0.eyJpYW1faWQiOiJJQk1pZC0xMjMifQ.c2lnbmF0dXJl-_c2ln"
KEY = "xP9_planted-Zk3f6QvA7m2LwR8uYb1Tn0Ge5Hd4"


@pytest.fixture(autouse=True)
def nothing_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_known", {})
    for variable in secrets._VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("text", "secret", "shown"),
    [
        (f"account {ACCOUNT} is not authorised", ACCOUNT, "account <account> is not authorised"),
        (
            f"arn:aws:braket:eu-north-1:{ACCOUNT}:quantum-task/6f1c",
            ACCOUNT,
            "arn:aws:braket:eu-north-1:<account>:quantum-task/6f1c",
        ),
        (f"arn:aws:iam::{ACCOUNT}:role/qcli", ACCOUNT, "arn:aws:iam::<account>:role/qcli"),
        (f"https://{ACCOUNT}.signin.aws.amazon.com/", ACCOUNT, "https://<account>.signin.aws.amazon.com/"),
        (f"id={ACCOUNT}, owner_{ACCOUNT}x", ACCOUNT, "id=<account>, owner_<account>x"),
        (f"{ACCOUNT}.", ACCOUNT, "<account>."),
        ("the access key AKIAIOSFODNN7EXAMPLE is unknown", "AKIAIOSFODNN7EXAMPLE", "<access key> is unknown"),
        ("ASIAY34FZKBOKMUTVV7A", "ASIAY34FZKBOKMUTVV7A", "<access key>"),
        ("role AROADBQP57FF2AEXAMPLE:session", "AROADBQP57FF2AEXAMPLE", "role <access key>:session"),
        ("ABIAEXAMPLE1234567890", "ABIAEXAMPLE1234567890", "<access key>"),
        (f"instance {CRN} not found", "0f0e0d0c", "instance <instance> not found"),
        (f"('{CRN}', 404)", "us-east", "('<instance>', 404)"),
        (f"/v1/instances/{CRN.replace(':', '%3A').replace('/', '%2F')}?a=b", "0f0e0d0c", "/v1/instances/<instance>"),
        ("no such bucket: s3://my-results/run/7", "my-results", "no such bucket: <bucket>"),
        ("arn:aws:s3:::my-results/*", "my-results", "<bucket>"),
        ("arn:aws-cn:s3:::my-results", "my-results", "<bucket>"),
        ('"amazon-braket-eu-north-1-lab7"', "lab7", '"<bucket>"'),
        ("https://my.results.s3.eu-north-1.amazonaws.com/tasks", "my.results", "<bucket>.s3.eu-north-1.amazonaws.com"),
        ("https://my-results.s3.amazonaws.com/", "my-results", "https://<bucket>.s3.amazonaws.com/"),
        ("https://s3.eu-north-1.amazonaws.com/my-results/a", "my-results", ".amazonaws.com/<bucket>/a"),
        (f"Authorization: Bearer {JWT}", "eyJ", "Authorization: <token>"),
        (f"token={JWT}", "c2lnbmF0dXJl", "token=<token>"),
        (f"apikey {KEY}", KEY, "<token>"),
        (f'{{"apikey": "{KEY}"}}', KEY, "<token>"),
        (f"api_key={KEY}&x=1", KEY, "<token>&x=1"),
        (f"?X-Amz-Security-Token={KEY}%2F%3D&X-Amz-Date=2026", KEY, "?X-Amz-Security-Token=<token>&X-Amz-Date=2026"),
        ("&X-Amz-Signature=0a1b2c3d4e5f60718293", "0a1b2c3d4e5f", "&X-Amz-Signature=<signature>"),
    ],
)  # fmt: skip
def test_what_is_secret_by_its_form_is_hidden(text: str, secret: str, shown: str) -> None:
    assert secret in text
    assert secret not in redacted(text)
    assert shown in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-28T08:45:03.123456+00:00",
        "2026-11-28",
        "20261128084503",
        "task 7 of 1,000 queued, position 3",
        '{"0": 60, "1023": 452}',
        "550e8400-e29b-41d4-a716-446655440000",
        "task 6F1C0D2E-0000-4000-8000-123456789012 failed",
        "0.123456789012 USD",
        "1.042400000001",
        "30.30 USD are paid, 1234.56 USD more are needed",
        "12345678901",
        "1234567890123",
        "99999999999999999999",
        "a1b2c3d4" * 6 + "123456789012" + "ab" * 6,
        "1795852976.384514",
        "1.23456789012e-05",
        "braket/garnet: Amazon Braket",
        "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet",
        "https://braket.eu-north-1.amazonaws.com/quantum-task",
        "an apikey is needed",
        "the api key of the account",
        "crn of the instance",
        "qubits [12, 13, 14] were measured, not [1, 2, 3]",
        "d3abc1k0qtno00123450",
        "",
    ],
)
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


def test_what_is_planted_is_hidden_wherever_it_stands_and_shown_by_its_name() -> None:
    hide("my-own-bucket", "bucket")
    hide("pass/word+1=", "secret key")
    assert redacted("put my-own-bucket/a: no") == "put <bucket>/a: no"
    assert redacted("xpass/word+1=x") == "x<secret key>x"
    assert redacted("?key=pass%2Fword%2B1%3D") == "?key=<secret key>"


def test_of_values_within_each_other_the_longest_is_hidden_first() -> None:
    hide("lab-bucket", "prefix")
    hide("lab-bucket-of-mine", "bucket")
    assert redacted("lab-bucket-of-mine and lab-bucket") == "<bucket> and <prefix>"


@pytest.mark.parametrize("value", [None, "", "a", "abc"])
def test_what_is_too_short_to_be_a_secret_is_not_hidden(value: str | None) -> None:
    hide(value, "secret")
    assert redacted("abcdef") == "abcdef"


@pytest.mark.parametrize("variable", secrets._VARIABLES)
def test_credentials_of_the_environment_are_hidden(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, KEY)
    assert redacted(f"signed with {KEY}!") == f"signed with <{variable.lower().replace('_', ' ')}>!"


def test_of_a_vendors_answer_what_is_secret_is_hidden_and_every_figure_stays() -> None:
    hide("my-own-bucket", "bucket")
    raw = f'{{"id": "arn:aws:braket:eu:{ACCOUNT}:quantum-task/1", "s3": "my-own-bucket", "p": 0.5, "n": {ACCOUNT}}}'
    shown = redacted_bytes(raw.encode() + b"\xff\x00")
    assert (
        shown
        == raw.replace(f":{ACCOUNT}:", ":<account>:").replace("my-own-bucket", "<bucket>").encode()
        + b"\xff\x00"
    )


SECRETS = st.one_of(
    st.from_regex(r"\A[1-9][0-9]{11}\Z").map(lambda account: f" {account} "),
    st.from_regex(r"\AA(KIA|SIA)[A-Z0-9]{16}\Z").map(lambda key: f" {key} "),
    st.from_regex(r"\Acrn:v1:[a-z0-9:/-]{20,60}\Z", fullmatch=True).map(lambda crn: f" {crn} "),
    st.from_regex(r"\As3://[a-z0-9.-]{3,40}\Z").map(lambda bucket: f" {bucket} "),
)
TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30)


@given(TEXT, SECRETS, TEXT)
def test_secrets_are_hidden_in_any_text_and_hiding_again_changes_nothing(
    before: str, secret: str, after: str
) -> None:
    shown = redacted(before + secret + after)
    assert secret.strip() not in shown
    assert redacted(shown) == shown


@given(
    st.decimals("0", "99999", places=12)
    | st.uuids()
    | st.dates()
    | st.datetimes()
    | st.integers(0, 10**11 - 1)
)
def test_figures_dates_and_ids_stay(value: object) -> None:
    assert redacted(f"it was {value}") == f"it was {value}"
    assert re.fullmatch(r"\[.*\]", redacted(f"[{value}]"))

"""`qcli prices`: the table, one device, JSON, and an unknown name."""

import json

import pytest
import typer
from typer.testing import CliRunner

from qcli.cli.prices import prices
from qcli.errors import QcliError
from qcli.price.sheet import load_sheets, terms

app = typer.Typer()
app.command()(prices)


def output(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_table_has_every_device_on_one_uncut_line() -> None:
    lines = output().splitlines()
    for name, device in load_sheets().items():
        (line,) = [line for line in lines if f" {name} " in line]
        assert device.verified_on.isoformat() in line and f" {device.basis}" in line
        assert device.status in line and "…" not in line


def test_one_device_shows_every_figure_with_its_source() -> None:
    text = " ".join(output("braket/garnet").split())
    for quote in terms("braket/garnet").quotes:
        assert f"{quote.key} {quote.value:,f} {quote.unit} {quote.basis} {quote.verified_on}" in text
        assert quote.source in text


def test_json_has_money_as_strings() -> None:
    content = json.loads(output("--json"))
    devices = {device["name"]: device for device in content["devices"]}
    assert content["schema"] == "qcli.prices/1" and set(devices) == set(load_sheets())
    assert devices["braket/garnet"]["price"] == {
        "kind": "per-task",
        "task_fee": "0.30",
        "shot_price": "0.00145",
    }
    assert devices["ibm/torino"]["retired_on"] == "2026-04-01"


def test_an_unknown_device_is_a_user_error() -> None:
    with pytest.raises(QcliError, match="braket/garnt"):
        CliRunner().invoke(app, ["braket/garnt"], catch_exceptions=False)

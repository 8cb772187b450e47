import json

import pytest
import typer
from typer.testing import CliRunner

from qcli.cli.devices import devices
from qcli.device.catalogue import find, names
from qcli.errors import QcliError

app = typer.Typer()
app.command()(devices)


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_table_names_every_device_with_its_date_and_emulator() -> None:
    text = shown()
    for name in names():
        assert name in text
        assert find(name).emulator in text
        assert find(name).calibrated_on.isoformat() in text
    assert "ankaa-3 (retired)" in text


def test_one_device_says_what_is_assumed_and_where_it_comes_from() -> None:
    text = shown("garnet")
    assert "(assumed)" in text
    assert "amazon-braket-examples" in text
    assert "(published)" in shown("ibm/fez")
    assert "2026-04-17" in shown("emulator/ankaa-3")


def test_json_holds_the_same_figures() -> None:
    content = json.loads(shown("--json"))
    assert content["schema"] == "qcli.devices/1"
    assert [row["device"] for row in content["devices"]] == list(names())
    assert "qubit_figures" not in content["devices"][0]
    (one,) = json.loads(shown("garnet", "--json"))["devices"]
    assert len(one["qubit_figures"]) == one["qubits"] == 20
    assert one["durations"]["basis"] == "assumed"
    assert one["median_error_2q"] == pytest.approx(0.0041, abs=1e-4)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(QcliError, match="garnit"):
        CliRunner().invoke(app, ["garnit"], catch_exceptions=False)

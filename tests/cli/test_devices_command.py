"""`qcli devices` as a user types it: the list, one device, its map, and records imported and refreshed."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from qcli.device import live
from qcli.device.catalogue import find, names
from qcli.errors import QcliError
from tests.cli.helpers import Result, qcli
from tests.device import shapes


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, and the user's own in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QCLI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("QCLI_DEBUG", "")
    return tmp_path / "home"


def shown(command: str) -> str:
    result = qcli(command)
    assert result.code == 0, result.err
    return result.out


def test_the_table_names_every_device_with_its_date_and_emulator() -> None:
    text = shown("devices")
    for name in names():
        assert name in text
        assert find(name).emulator in text
        assert find(name).calibrated_on.isoformat() in text
    assert "ankaa-3 (retired)" in text and "marrakesh (offline)" in text


def test_one_device_says_what_is_assumed_and_where_it_comes_from() -> None:
    text = shown("devices garnet")
    assert "(assumed)" in text
    assert "amazon-braket-examples" in text
    assert "up to 100 circuits, 200,000 shots in all" in text
    assert "Weekdays 00:00–01:29, 03:15–15:29, 17:15–23:59" in text
    assert "(published)" in shown("devices ibm_fez")
    assert "retired on 2026-04-17" in shown("devices emulator/ankaa-3")


def test_the_word_list_may_be_left_out() -> None:
    assert shown("devices list") == shown("devices")
    assert shown("devices list garnet") == shown("devices iqm_garnet")


def test_json_holds_the_same_figures() -> None:
    content = json.loads(shown("devices --json"))
    assert content["schema"] == "qcli.devices/1"
    assert [row["device"] for row in content["devices"]] == list(names())
    assert "qubit_figures" not in content["devices"][0]
    (one,) = json.loads(shown("devices garnet --json"))["devices"]
    assert len(one["qubit_figures"]) == one["qubits"] == 20
    assert one["durations"]["basis"] == "assumed"
    assert one["status"] == "online"
    assert one["program_sets"] == {"max_executables": 100, "max_total_shots": 200_000}
    assert one["median_error_2q"] == pytest.approx(0.0041, abs=1e-4)


def test_the_map_comes_with_scale_extremes_and_what_is_missing() -> None:
    text = shown("devices show ibm/fez --by readout")
    assert "140" in text and "━━━" in text
    assert "qubits, readout error, %" in text and "couplers, two-qubit error, %" in text
    worst = min(find("fez").usable, key=lambda qubit: -(qubit.readout_error or 0))
    assert str(worst.id) in text[text.index("worst") :]
    assert "couplers without calibration: 27–28, 31–32" in text
    assert max(map(len, text.splitlines())) <= 110


def test_where_all_are_coupled_there_is_no_map_to_draw() -> None:
    text = shown("devices show forte-enterprise-1")
    assert "Every pair of qubits is coupled" in text
    assert "0.75 % for every one, the device's average" in text


def test_the_svg_is_written_where_asked() -> None:
    result = qcli("devices show garnet --svg maps/garnet.svg")
    assert result.code == 0 and "written: maps/garnet.svg" in result.err
    assert Path("maps/garnet.svg").read_text().lstrip().startswith("<?xml")


def test_the_map_as_json_has_places_and_figures() -> None:
    content = json.loads(shown("devices show garnet --by 1q --json"))
    assert content["schema"] == "qcli.device-map/1"
    by_id = {qubit["id"]: qubit for qubit in content["qubits"]}
    assert (by_id[1]["x"], by_id[1]["y"]) == (1, 0)
    assert by_id[1]["error"] == find("garnet").qubits[0].error_1q
    assert len(content["edges"]) == 30


def write(name: str, content: Any) -> None:
    Path(name).write_text(json.dumps(content))


def test_an_import_says_what_it_found_and_is_used_from_then_on(home: Path) -> None:
    write("garnet.json", shapes.iqm())
    text = shown("devices import garnet.json --force")
    assert "2 of 3 qubits (absent: 3) and 1 of 2 couplers are calibrated" in text
    assert f"written: {home / 'devices' / 'braket-garnet.json'}" in text
    assert json.loads(shown("devices garnet --json"))["devices"][0]["qubits"] == 2


def test_an_older_import_needs_force(home: Path) -> None:
    capabilities = shapes.iqm()
    capabilities["service"]["updatedAt"] = "2026-01-01T00:00:00"
    write("garnet.json", capabilities)
    assert "calibrated on 2026-01-01" in shown("devices import garnet.json --name utopia")
    capabilities["service"]["updatedAt"] = "2025-12-31T00:00:00"
    write("older.json", capabilities)
    result = qcli("devices import older.json --name utopia")
    assert result.code == 2 and "newer calibration" in result.what and "--force" in result.err
    assert find("utopia").calibrated_on == date(2026, 1, 1)
    assert "calibrated on 2025-12-31" in shown("devices import older.json --name utopia --force")


def test_a_file_that_is_not_of_the_device_it_is_named_after_needs_force(home: Path) -> None:
    write("emerald.json", shapes.iqm())
    result = qcli("devices import emerald.json")
    assert result.code == 2 and "number of qubits 3 instead of 54" in result.what
    assert "--name" in result.err and "--force" in result.err
    assert not home.exists()
    assert "braket/emerald" in shown("devices import emerald.json --force")


@pytest.fixture
def damaged(home: Path) -> Path:
    """The user's record of Garnet, cut short."""
    path = home / "devices" / "braket-garnet.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"schema": ')
    (path.parent / "my-notes.json").write_text("[]")
    return path


def test_a_record_that_cannot_be_read_is_left_out_with_a_warning(damaged: Path) -> None:
    result = qcli("devices --json")
    listed = [row["device"] for row in json.loads(result.out)["devices"]]
    assert result.code == 0 and listed == [name for name in names() if name != "braket/garnet"]
    assert "left out: braket/garnet" in result.err and str(damaged) in result.err
    assert "import the device again" in result.err and "my-notes" not in result.err
    assert qcli("devices braket/garnet").code == 2


def test_an_import_over_a_record_that_cannot_be_read_says_so(damaged: Path) -> None:
    write("garnet.json", shapes.iqm())
    result = qcli("devices import garnet.json --force")
    assert result.code == 0 and "replaced the record so far" in result.err
    assert find("garnet").qubit_count == 2
    assert "replaced" not in qcli("devices import garnet.json").err


def test_ibms_two_files_are_imported_together(home: Path) -> None:
    configuration, properties = shapes.ibm()
    write("p.json", properties)
    write("c.json", configuration)
    (row,) = json.loads(shown("devices import p.json --config c.json --name utopia --json"))["devices"]
    assert (row["device"], row["qubits"]) == ("ibm/utopia", 2)
    assert row["path"] == str(home / "devices" / "ibm-utopia.json")
    assert "ibm/utopia" in shown("devices")


def test_a_file_without_calibration_is_refused_and_nothing_is_written(home: Path) -> None:
    configuration, properties = shapes.ibm()
    for gate in properties["gates"]:
        gate["parameters"][0]["value"] = 1
    write("both.json", {"configuration": configuration, "properties": properties})
    result = qcli("devices import both.json")
    assert result.code == 2 and "no calibrated qubits in this file" in result.what
    assert not home.exists()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the vendors would answer; credentials are there for all of them."""
    known: dict[str, Any] = {}

    def live_capabilities(name: str) -> Any:
        answer = known.get(name)
        if answer is None:
            raise QcliError(f"the service refused: {name}", name, "try again", exit_code=1)
        return answer

    monkeypatch.setattr(live, "live_capabilities", live_capabilities)
    monkeypatch.setattr(live, "has_credentials", lambda provider: True)
    return known


def newer(day: str) -> dict[str, Any]:
    capabilities = shapes.iqm()
    capabilities["service"]["updatedAt"] = f"{day}T00:00:00"
    return shapes.get_device(capabilities, "iqm", "Garnet")


def test_a_refresh_keeps_todays_figures(answers: dict[str, Any]) -> None:
    answers["braket/garnet"] = newer("2026-11-20")
    assert "braket/garnet, calibrated on 2026-11-20" in shown("devices refresh iqm_garnet")
    assert find("garnet").calibrated_on == date(2026, 11, 20)


def test_one_refusal_does_not_keep_the_others_from_being_refreshed(answers: dict[str, Any]) -> None:
    answers["braket/garnet"] = newer("2026-11-20")
    result = qcli("devices refresh emerald garnet --json")
    assert result.code == 1 and "1 of 2 devices were refreshed" in result.what
    assert "braket/emerald: the service refused" in result.err
    assert [row["device"] for row in json.loads(result.out)["devices"]] == ["braket/garnet"]


def test_without_names_all_devices_in_service_are_refreshed(
    answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(live, "has_credentials", lambda provider: provider == "braket")
    monkeypatch.setattr(live, "refreshed", lambda name: (asked.append(name), find(name))[1])
    result = qcli("devices refresh")
    assert result.code == 0 and "left out: no credentials for IBM Quantum" in result.err
    assert asked == [name for name in names() if name.startswith("braket/") and name != "braket/ankaa-3"]


def test_a_refresh_goes_on_where_a_record_cannot_be_read(
    answers: dict[str, Any], damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "refreshed", lambda name: find(name))
    result = qcli("devices refresh --json")
    assert result.code == 0 and "left out: braket/garnet" in result.err
    assert "braket/emerald" in [row["device"] for row in json.loads(result.out)["devices"]]


@pytest.mark.parametrize("command", ["devices refresh", "devices refresh garnet ibm/fez"])
def test_without_credentials_one_message_says_what_to_set(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "has_credentials", lambda provider: False)
    result: Result = qcli(command)
    assert result.code == 2 and "no credentials for AWS or IBM Quantum" in result.what
    assert "AWS_ACCESS_KEY_ID" in result.err and "QISKIT_IBM_TOKEN" in result.err

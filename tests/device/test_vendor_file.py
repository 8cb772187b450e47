import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.device.catalogue import find
from qcli.device.record import dump_device
from qcli.device.vendor_file import check_kind, device_of, keep, read_vendor_file
from qcli.errors import QcliError
from tests.device import shapes


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, empty."""
    monkeypatch.setenv("QCLI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def test_a_getdevice_response_names_device_and_status(tmp_path: Path) -> None:
    answer = shapes.get_device(shapes.iqm(), "iqm", "Utopia_X", "OFFLINE")
    device = read_vendor_file(written(tmp_path, "any.json", answer))
    assert (device.key, device.status, device.qubit_count) == ("braket/utopia-x", "offline", 2)
    assert device.source == "Amazon Braket GetDevice, imported from any.json"


def test_capabilities_may_also_be_an_object_in_the_response(tmp_path: Path) -> None:
    answer = shapes.get_device(shapes.iqm(), "iqm", "Utopia") | {"deviceCapabilities": shapes.iqm()}
    assert read_vendor_file(written(tmp_path, "any.json", answer)).key == "braket/utopia"


@pytest.mark.parametrize("name", ["garnet.json", "garnet_2026-05-05.json", "iqm_Garnet-20260505T1200.json"])
def test_bare_capabilities_are_of_the_known_device_that_the_file_is_named_after(
    tmp_path: Path, name: str
) -> None:
    device = read_vendor_file(written(tmp_path, name, shapes.iqm()))
    assert (device.key, device.full_name) == ("braket/garnet", "IQM Garnet")


def test_bare_capabilities_of_an_unknown_device_need_a_name(tmp_path: Path) -> None:
    path = written(tmp_path, "utopia.json", shapes.iqm())
    with pytest.raises(QcliError, match="do not name their device") as caught:
        read_vendor_file(path)
    assert "--name" in caught.value.fix
    utopia = read_vendor_file(path, "utopia")
    assert (utopia.key, utopia.status) == ("braket/utopia", "unknown")
    with pytest.raises(QcliError, match="name"):
        read_vendor_file(path, "No Such/Name")


def test_a_retired_device_stays_retired(tmp_path: Path) -> None:
    content = shapes.rigetti("iswap")
    readout = content["standardized"]["oneQubitProperties"]["1"]["oneQubitFidelity"][2]
    readout["fidelity"] = 0.95
    device = read_vendor_file(written(tmp_path, "ankaa-3.json", content))
    assert (device.status, device.retired_on) == ("retired", date(2026, 4, 17))


@pytest.mark.parametrize("how", ["beside", "long names", "given", "one file"])
def test_ibm_properties_find_their_configuration(tmp_path: Path, how: str) -> None:
    configuration, properties = shapes.ibm()
    given = None
    if how == "one file":
        path = written(tmp_path, "small.json", {"configuration": configuration, "properties": properties})
    else:
        long = how == "long names"
        path = written(tmp_path, "small_properties.json" if long else "props_small.json", properties)
        names = {"beside": "conf_small.json", "long names": "small_configuration.json", "given": "c.json"}
        other = written(tmp_path, names[how], configuration)
        given = other if how == "given" else None
    device = read_vendor_file(path, configuration=given)
    assert (device.key, device.qubit_count) == ("ibm/small", 2)
    assert read_vendor_file(path, "fez", given).key == "ibm/fez"


def test_ibm_properties_without_configuration_say_what_to_add(tmp_path: Path) -> None:
    path = written(tmp_path, "props_small.json", shapes.ibm()[1])
    with pytest.raises(QcliError, match="need the backend's configuration") as caught:
        read_vendor_file(path)
    assert "--config" in caught.value.fix


def test_ibms_configuration_alone_is_told_from_the_properties(tmp_path: Path) -> None:
    path = written(tmp_path, "conf_small.json", shapes.ibm()[0] | {"gates": [{"name": "cz"}]})
    with pytest.raises(QcliError, match="configuration alone") as caught:
        read_vendor_file(path)
    assert "give the properties" in caught.value.fix


def test_a_record_of_our_own_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(dump_device(find("garnet")))
    assert read_vendor_file(path) == find("garnet")


UNFIT = {
    "nothing": ({}, "unknown schema"),
    "something else": ({"rows": []}, "unknown schema"),
    "another vendor": (
        {"braketSchemaHeader": {"name": "braket.device_schema.quera.quera_device_capabilities"}},
        "unknown capabilities schema",
    ),
    "capabilities that are a number": ({"deviceCapabilities": 5, "deviceArn": "a/b"}, "unknown capabilities"),
    "half the capabilities": (
        {"deviceCapabilities": json.dumps(shapes.iqm())[:999], "deviceArn": "a/b"},
        "cut short",
    ),
    "lists for objects": ({"configuration": [], "properties": {}}, "not JSON objects"),
    "a later record": ({"schema": "qcli.device/2"}, "unknown schema"),
}


@pytest.mark.parametrize(("content", "what"), UNFIT.values(), ids=UNFIT.keys())
def test_a_file_of_an_unknown_schema_is_refused(content: dict[str, Any], what: str) -> None:
    with pytest.raises(QcliError, match=what) as caught:
        device_of(content, "garnet.json", "garnet", "imported")
    assert caught.value.exit_code == 2 and caught.value.fix


def test_an_unknown_schema_is_said_before_a_name_is_asked_for() -> None:
    content, what = UNFIT["another vendor"]
    with pytest.raises(QcliError, match=what):
        device_of(content, "unknown.json", None, "imported")


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe\x00", b"[" * 100_000, b"null"])
def test_a_file_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "garnet.json"
    path.write_bytes(content)
    with pytest.raises(QcliError) as caught:
        read_vendor_file(path)
    assert caught.value.where == str(path)


@given(cut=st.floats(0, 1, exclude_max=True), shape=st.sampled_from(["iqm", "rigetti", "ionq", "aqt", "get"]))
def test_a_file_cut_short_anywhere_is_refused(
    tmp_path_factory: pytest.TempPathFactory, cut: float, shape: str
) -> None:
    content = shapes.get_device(shapes.iqm(), "iqm", "Utopia") if shape == "get" else getattr(shapes, shape)()
    text = json.dumps(content)
    path = tmp_path_factory.mktemp("cut") / "garnet.json"
    path.write_text(text[: int(cut * len(text))])
    with pytest.raises(QcliError, match="cut short"):
        read_vendor_file(path, "garnet")


PATHS = ["service", "paradigm", "standardized", "service.updatedAt", "paradigm.connectivity"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("value", [None, [], "text", 7])
def test_a_part_of_another_type_is_refused(path: str, value: Any) -> None:
    content = shapes.iqm()
    *above, last = path.split(".")
    inner = content[above[0]] if above else content
    inner[last] = value
    with pytest.raises(QcliError):
        device_of(content, "garnet.json", "garnet", "imported")


def test_a_device_without_a_calibrated_qubit_is_refused(tmp_path: Path) -> None:
    content = shapes.iqm()
    for qubit in content["standardized"]["oneQubitProperties"].values():
        qubit["oneQubitFidelity"][0]["fidelity"] = 0.5
    with pytest.raises(QcliError, match="no calibrated qubits in this file"):
        read_vendor_file(written(tmp_path, "garnet.json", content))


@pytest.mark.parametrize("shape", ["iqm", "rigetti"])
def test_a_device_without_a_calibrated_coupler_is_refused(tmp_path: Path, shape: str) -> None:
    content = getattr(shapes, shape)()
    for entry in content["standardized"]["twoQubitProperties"].values():
        entry["twoQubitGateFidelity"][0]["fidelity"] = 0.5
    with pytest.raises(QcliError, match="no calibrated couplers in this file"):
        read_vendor_file(written(tmp_path, "garnet.json", content), "garnet")


def test_a_device_of_one_qubit_needs_no_coupler() -> None:
    content = shapes.ionq()
    content["paradigm"]["qubitCount"] = 1
    assert device_of(content, "one.json", "one", "imported").qubit_count == 1


@pytest.mark.parametrize(("days", "refused"), [(0, False), (1, False), (2, True), (40_000, True)])
def test_a_calibration_of_a_day_to_come_is_refused(days: int, refused: bool) -> None:
    content, day = shapes.iqm(), date.today() + timedelta(days=days)
    content["service"]["updatedAt"] = f"{day}T00:00:00+00:00"
    if not refused:
        assert device_of(content, "garnet.json", "garnet", "imported").calibrated_on == day
        return
    with pytest.raises(QcliError, match=f"the calibration is of {day}, a day to come"):
        device_of(content, "garnet.json", "garnet", "imported")


def test_what_is_kept_is_found_from_then_on(own: Path) -> None:
    device = find("garnet").model_copy(update={"calibrated_on": date(2026, 11, 1)})
    assert keep(device) == own / "devices" / "braket-garnet.json"
    assert find("garnet").calibrated_on == date(2026, 11, 1)


def test_an_older_calibration_is_kept_only_by_force(own: Path) -> None:
    older = find("garnet").model_copy(update={"calibrated_on": date(2026, 1, 1)})
    with pytest.raises(QcliError, match="newer calibration of braket/garnet: 2026-05-05") as caught:
        keep(older)
    assert "--force" in caught.value.fix and not own.exists()
    keep(older, force=True)
    assert find("garnet").calibrated_on == date(2026, 1, 1)
    keep(older)


@pytest.mark.parametrize("content", ["{", '{"schema": "qcli.device/9"}'])
@pytest.mark.parametrize("force", [False, True])
def test_a_record_that_cannot_be_read_is_mended_by_another_import(
    own: Path, content: str, force: bool
) -> None:
    path = own / "devices" / "braket-garnet.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    capabilities = shapes.iqm()
    device = device_of(capabilities, "garnet.json", "garnet", "imported")
    assert (device.full_name, device.status) == ("IQM Garnet", "online")
    assert keep(device, force) == path
    assert find("garnet").qubit_count == device.qubit_count == 2


@pytest.mark.parametrize("name", ["garnet", "ankaa3", "iqm-garnet"])
def test_a_name_that_means_another_device_is_refused(own: Path, name: str) -> None:
    configuration, properties = shapes.ibm()
    both = {"configuration": configuration, "properties": properties}
    device = device_of(both, "both.json", name, "imported")
    with pytest.raises(QcliError, match=f"{name} is already the name of braket/") as caught:
        keep(device, force=True)
    assert "--name" in caught.value.fix and not own.exists()
    keep(device_of(both, "both.json", f"{name}-2", "imported"))
    assert find(f"{name}-2").provider == "ibm"


@pytest.mark.parametrize(
    ("as_", "what"),
    [
        ("emerald", "number of qubits 20 instead of 54"),
        ("cepheus-1-108q", "vendor IQM instead of Rigetti, number of qubits 20 instead of 107"),
        ("ankaa-3", "vendor IQM instead of Rigetti, two-qubit gate cz instead of iswap"),
    ],
)
def test_a_file_under_the_name_of_another_kind_of_device_is_refused(as_: str, what: str) -> None:
    with pytest.raises(QcliError, match=f"this does not look like braket/{as_}: {what}"):
        check_kind(find("garnet").model_copy(update={"name": as_}))


@pytest.mark.parametrize("name", ["garnet", "utopia"])
def test_a_device_that_lost_a_few_qubits_is_the_same_and_a_new_one_any(name: str) -> None:
    garnet = find("garnet")
    check_kind(garnet.model_copy(update={"name": name, "qubits": garnet.qubits[5:], "edges": ()}))

import os
import subprocess
import sys
from datetime import date, time, timedelta
from pathlib import Path

import pytest

from qcli.device.catalogue import catalogue, fault, find, last_known, names, vendor_of
from qcli.device.record import dump_device, load_device, stale
from qcli.errors import QcliError
from qcli.price.sheet import load_sheets

PUBLISHED = ("IBM", "IonQ")


@pytest.mark.parametrize("name", names())
def test_every_entry_is_dated_sourced_and_usable(name: str) -> None:
    device = catalogue()[name]
    assert device.key == name
    assert date(2025, 1, 1) <= device.calibrated_on <= date(2026, 12, 31)
    assert device.source and device.licence == ("unstated" if name == "braket/ibex-q1" else "Apache-2.0")
    assert device.qubit_count >= 12
    assert device.usable_edges
    assert "rz" in device.one_qubit_gates
    assert device.durations.basis == ("published" if device.vendor in PUBLISHED else "assumed")
    assert all(0 < edge.error < 0.5 for edge in device.usable_edges if edge.error is not None)


@pytest.mark.parametrize("name", names())
def test_the_status_is_that_of_the_price_sheets(name: str) -> None:
    device, priced = catalogue()[name], load_sheets().devices.get(name)
    if priced is None:
        assert device.status == "retired"
    else:
        assert (device.status, device.retired_on) == (priced.status, priced.retired_on)


def test_program_sets_are_those_of_the_capabilities() -> None:
    limited = {device.name for device in catalogue().values() if device.program_sets}
    assert limited == {"garnet", "emerald", "cepheus-1-108q", "ankaa-3"}
    for name in limited:
        limits = find(name).program_sets
        priced = load_sheets().devices[f"braket/{name}"].program_set
        assert limits and priced
        assert (limits.max_executables, limits.max_total_shots) == (
            priced.max_executables,
            priced.max_total_shots,
        )


def test_execution_windows_are_kept() -> None:
    windows = find("garnet").windows
    assert windows and windows[0] == ("Weekdays", time(0, 0), time(1, 29, 59))


def test_what_is_assumed_of_ibex_q1_is_named() -> None:
    ibex = find("ibex-q1")
    assert ibex.two_qubit_gate == "rxx" and ibex.all_to_all
    assert {qubit.error_1q for qubit in ibex.qubits} == {3e-4}
    assert {edge.error for edge in ibex.edges} == {0.013}
    assert sum(note.startswith("assumed:") for note in ibex.notes) == 2


def test_a_calibration_is_stale_after_a_week() -> None:
    garnet = find("garnet")
    assert not stale(garnet, garnet.calibrated_on + timedelta(days=7))
    assert stale(garnet, garnet.calibrated_on + timedelta(days=8))


def test_known_figures() -> None:
    """Transcribed by hand from the vendors' files."""
    garnet = find("garnet")
    assert garnet.calibrated_on == date(2026, 5, 5)
    assert garnet.qubits[0].error_1q == pytest.approx(1 - 0.9993090284888004, rel=1e-5)
    assert garnet.edges[0].error == pytest.approx(1 - 0.9959693956369428, rel=1e-5)
    fez = find("fez")
    assert (fez.qubits[0].p1_given_0, fez.qubits[0].p0_given_1) == (0.00537109, 0.0175781)
    assert fez.qubits[0].t1_s == pytest.approx(48.806207822303335e-6, rel=1e-5)
    assert find("ankaa-3").retired_on == date(2026, 4, 17)
    assert find("cepheus-1-108q").qubit_count == 103


ALIASES = {
    "braket/garnet": [
        *(
            "braket/garnet",
            "emulator/garnet",
            "garnet",
            " Garnet ",
            "iqm_garnet",
            "IQM Garnet",
            "AWS/IQM/Garnet",
        ),
        "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet",
    ],
    "braket/ankaa-3": [
        "rigetti_ankaa_3",
        "aws:rigetti:ankaa-3",
        "Ankaa-3",
        "emulator/ankaa_3",
        "Rigetti Ankaa",
    ],
    "braket/cepheus-1-108q": [
        "arn:aws:braket:us-west-1::device/qpu/rigetti/Cepheus-1-108Q",
        "Cepheus-1",
        "braket/cepheus",
    ],
    "braket/forte-enterprise-1": [
        "ionq_forte-enterprise-1",
        "azure:ionq:qpu:forte-enterprise-1",
        "IonQ Forte Enterprise",
    ],
    "braket/ibex-q1": ["aqt_ibex_q1", "Ibex-Q1", "AQT IBEX"],
    "ibm/fez": [
        *("ibm_fez", "fake_fez", "FakeFez", "ibm/fez", "emulator/fez"),
        *("ibm_quantum/ibm_fez", "qiskit_ibm_fez", "IBM Quantum Fez", "ibm_quantum_platform ibm_fez"),
    ],
    "ibm/miami": ["IBM Miami"],
    "ibm/berlin": ["ibmq_berlin", "ibmq/berlin"],
}


@pytest.mark.parametrize(("key", "alias"), [(key, alias) for key in ALIASES for alias in ALIASES[key]])
def test_a_device_is_found_by_the_names_that_others_use(key: str, alias: str) -> None:
    assert find(alias) is catalogue()[key]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("emulator/garnett", "emulator/garnet"),
        ("fezz", "fez"),
        ("braket/fez", "ibm/fez"),
        ("", "garnet"),
        ("fake_garnet", "braket/garnet"),
        ("iqm_ankaa_3", "braket/ankaa-3"),
        ("forte-1", "forte-enterprise-1"),
        ("iqm_ankaa", "ankaa-3"),
        ("Cepheus-1-36Q", "cepheus-1-108q"),
    ],
)
def test_an_unknown_device_is_answered_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(QcliError) as caught:
        find(name)
    assert hint in caught.value.fix


VENDORS = {
    "IBM": [
        *("ibm_kyiv", "ibm-kyiv", "ibm.kyiv", "fake_kyiv", "FakeKyiv", "ibmq_manila", "emulator/kyiv-ibm"),
        "IBM Quantum Kyiv",
    ],
    "IQM": ["iqm-star", "iqm/spark", "IQM", "arn:aws:braket:eu-north-1::device/qpu/iqm/Star"],
    "Rigetti": ["Ankaa-2", "ankaa2", "braket/ankaa_9q", "rigetti Cepheus-1-36Q", "Cepheus-1-36Q"],
    "IonQ": ["Forte", "IonQ Forte-1", "ionq_aria_1", "azure:ionq:qpu.aria-2"],
    "AQT": ["AQT Pine", "ibex-q2"],
    None: [
        *("quantinuum_h2", "quantinuum/forte", "oqc-toshiko", "", "braket", "garnett", "my ankaa"),
        *("iqm_ankaa_3", "iqm_ankaa_2", "fake_garnet", "braket/fez"),
    ],
}


@pytest.mark.parametrize(
    ("vendor", "name"), [(vendor, name) for vendor in VENDORS for name in VENDORS[vendor]]
)
def test_the_vendor_of_a_device_without_a_record_is_told_by_its_name(vendor: str | None, name: str) -> None:
    assert vendor_of(name) == vendor
    with pytest.raises(QcliError, match="no device"):
        find(name)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user's own records, empty."""
    monkeypatch.setenv("QCLI_HOME", str(tmp_path))
    (tmp_path / "devices").mkdir()
    return tmp_path / "devices"


def test_a_users_record_lies_over_the_bundled_one_as_long_as_it_is_there(own: Path) -> None:
    bundled = find("garnet")
    newer = bundled.model_copy(update={"calibrated_on": date(2026, 11, 1)})
    path = own / "braket-garnet.json"
    path.write_text(dump_device(newer))
    assert find("garnet").calibrated_on == date(2026, 11, 1)
    path.write_text(dump_device(newer.model_copy(update={"calibrated_on": date(2026, 11, 2)})))
    os.utime(path, ns=(0, 0))
    assert find("iqm_garnet").calibrated_on == date(2026, 11, 2)
    path.unlink()
    assert find("garnet") is bundled


def test_a_users_new_device_is_listed_and_found(own: Path) -> None:
    (own / "ibm-utopia.json").write_text(dump_device(find("fez").model_copy(update={"name": "utopia"})))
    assert names()[-1] == "ibm/utopia"
    assert find("ibm_utopia").key == "ibm/utopia"


def test_numbers_are_left_out_where_one_device_alone_is_called_so(own: Path) -> None:
    assert find("Ankaa").name == "ankaa-3"
    (own / "braket-ankaa-9q.json").write_text(
        dump_device(find("ankaa-3").model_copy(update={"name": "ankaa-9q"}))
    )
    assert find("Ankaa-9Q").name == "ankaa-9q"
    with pytest.raises(QcliError, match="no device"):
        find("Ankaa")


def test_a_damaged_record_of_the_user_hurts_that_device_alone(own: Path) -> None:
    (own / "braket-garnet.json").write_text("{")
    assert find("emerald").key == "braket/emerald"
    with pytest.raises(QcliError, match="cannot read"):
        find("garnet")


@pytest.mark.parametrize("content", ["{", '{"schema": "qcli.device/9"}', '{"schema": "qcli.device/1"}'])
def test_what_is_wrong_with_a_record_is_told_with_the_file_and_how_to_mend_it(
    own: Path, content: str
) -> None:
    bundled = find("garnet")
    (own / "braket-garnet.json").write_text(content)
    error = fault("braket/garnet")
    assert error is not None and error.where == str(own / "braket-garnet.json")
    assert "import the device again" in error.fix
    assert fault("braket/emerald") is fault("braket/utopia") is None
    assert last_known("braket/garnet") == bundled
    assert last_known("braket/utopia") is None


@pytest.mark.parametrize(
    "file", ["my-notes.json", "braket-.json", "braket-garnet copy.json", "emulator-fez.json"]
)
def test_a_file_that_is_not_named_after_provider_and_device_is_no_record(own: Path, file: str) -> None:
    (own / file).write_text("{")
    assert len(list(catalogue().values())) == len(names()) == 17


def test_a_record_under_another_name_is_refused(own: Path) -> None:
    (own / "braket-granite.json").write_text(dump_device(find("garnet")))
    with pytest.raises(QcliError, match="the record is of braket/garnet"):
        find("granite")


def test_only_known_names_are_keys() -> None:
    assert "garnet" not in catalogue()
    assert len(catalogue()) == len(names()) == 17


def test_reading_the_catalogue_imports_no_heavy_library() -> None:
    code = (
        "import sys; from qcli.device.catalogue import catalogue; list(catalogue().values());"
        "print([m for m in ('torch', 'qiskit', 'numpy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "missing"), ("{", "cannot read"), ("[]", "schema"), ('{"schema": "qcli.device/9"}', "schema")],
)
def test_a_damaged_record_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "garnet.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(QcliError, match=message):
        load_device(path)


def test_a_record_cut_short_is_refused(tmp_path: Path) -> None:
    import qcli.device

    whole = (Path(qcli.device.__file__).parent / "catalogue" / "garnet.json").read_text()
    path = tmp_path / "garnet.json"
    path.write_text(whole[: len(whole) // 2])
    with pytest.raises(QcliError, match="cannot read"):
        load_device(path)

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from qcli.device.catalogue import catalogue, find, names
from qcli.device.record import load_device
from qcli.errors import QcliError


@pytest.mark.parametrize("name", names())
def test_every_entry_is_dated_sourced_and_usable(name: str) -> None:
    device = catalogue()[name]
    assert device.key == name
    assert date(2025, 1, 1) <= device.calibrated_on <= date(2026, 12, 31)
    assert device.source and device.licence == "Apache-2.0"
    assert device.qubit_count >= 20
    assert device.usable_edges
    assert "rz" in device.one_qubit_gates
    assert device.durations.basis == ("published" if device.vendor in ("IBM", "IonQ") else "assumed")
    assert all(0 < edge.error < 0.5 for edge in device.usable_edges if edge.error is not None)


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


@pytest.mark.parametrize("name", ["braket/garnet", "emulator/garnet", "garnet", " Garnet "])
def test_a_device_is_found_by_provider_emulator_or_short_name(name: str) -> None:
    assert find(name) is catalogue()["braket/garnet"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("emulator/garnett", "emulator/garnet"), ("fezz", "fez"), ("braket/fez", "ibm/fez"), ("", "garnet")],
)
def test_an_unknown_device_is_answered_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(QcliError) as caught:
        find(name)
    assert hint in caught.value.fix


def test_only_known_names_are_keys() -> None:
    assert "garnet" not in catalogue()
    assert len(catalogue()) == len(names()) == 12


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

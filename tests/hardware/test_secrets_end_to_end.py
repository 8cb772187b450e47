"""No credential, account id or bucket is written: known ones are planted, and every file and stream is searched."""

import sqlite3
import zlib

import pytest

from tests.cli.helpers import qcli
from tests.hardware.helpers import FEZ, GARNET, INFERENCES, SHOTS
from tests.standins import braket, ibm
from tests.standins.server import Fault

BRAKET = (braket.ACCOUNT, braket.ACCESS_KEY, braket.SECRET_KEY, braket.SESSION_TOKEN, braket.BUCKET)
IBM = (ibm.TOKEN, ibm.ACCOUNT, ibm.CRN, ibm.ACCESS)
CASES = [
    (GARNET, None, 0),
    (GARNET, Fault("CreateQuantumTask", "AccessDeniedException"), 1),
    (GARNET, Fault("GetObject", "other-task", times=100), 1),
    (GARNET, Fault("GetObject", "AccessDenied", times=100), 1),
    (GARNET, Fault("CreateBucket", "AccessDenied", times=100), 1),
    (FEZ, None, 0),
    (FEZ, Fault("CreateJob", "forbidden"), 1),
    (FEZ, Fault("GetResults", "other-job", times=100), 1),
    (FEZ, Fault("GetBackends", "unauthorized", times=100), 1),
]


def blobs(path):
    """What an SQLite file holds, unpacked."""
    if path.suffix != ".sqlite":
        return b""
    database = sqlite3.connect(path)
    found = []
    for table, column in (("task", "payload"), ("kept", "raw")):
        found += [zlib.decompress(packed) for (packed,) in database.execute(f"SELECT {column} FROM {table}")]
    database.close()
    return b"".join(found)


@pytest.mark.parametrize(("device", "fault", "code"), CASES)
def test_secrets_are_in_no_file_and_on_no_stream(bench, tmp_path, monkeypatch, capfd, device, fault, code):
    monkeypatch.setenv("QCLI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("QCLI_DEBUG", raising=False)
    table = bench(device, faults=[fault] if fault else [])
    table.patient(0.5)
    planted = BRAKET if device == GARNET else IBM
    done = qcli(
        f"--debug validate-on-hardware {table.run.path} --device {device} --inferences {INFERENCES} "
        f"--shots {SHOTS} --max-cost 20"
    )
    said = done.out + done.err + "".join(capfd.readouterr())
    assert done.code == code, said
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "journal.sqlite" for path in written) or code
    for secret in planted:
        assert secret not in said
        for path in written:
            assert secret.encode() not in path.read_bytes(), path
            assert secret.encode() not in blobs(path), path

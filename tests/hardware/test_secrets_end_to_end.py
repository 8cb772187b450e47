"""Keys, tokens, account ids and buckets stand in no file, no message and no traceback, whatever goes wrong."""

import json
import os
import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.hardware.helpers import FEZ, GARNET, INFERENCES, SHOTS
from tests.standins import braket, ibm
from tests.standins.server import Fault

ROOT = Path(__file__).parent.parent.parent
AWS = {
    "account": braket.ACCOUNT,
    "access key": braket.ACCESS_KEY,
    "secret key": braket.SECRET_KEY,
    "session token": braket.SESSION_TOKEN,
    "bucket": braket.BUCKET,
    "default bucket": f"amazon-braket-eu-north-1-{braket.ACCOUNT}",
}
IBM = {"token": ibm.TOKEN, "instance": ibm.CRN, "account": ibm.ACCOUNT, "access token": ibm.ACCESS}

WORKER = """
import json, sys
import pytest
from qcli.cli.main import run
from tests.hardware.helpers import impatient_clients, memoised
memoised(pytest.MonkeyPatch())
impatient_clients(pytest.MonkeyPatch(), 1.0)
for line in sys.stdin:
    sys.argv = ["qcli", *json.loads(line)]
    try:
        run()
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = "crashed"
    print(flush=True)
    print(json.dumps({"code": code}), flush=True)
"""


class Shell:
    """A process that runs one command line of qcli after the other; what it says is kept."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.said = [folder / "stdout", folder / "stderr"]
        self._errors = self.said[1].open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env=os.environ | environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> "Shell":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self._errors.close()

    def __call__(self, *arguments: str) -> object:
        """The exit code."""
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        with self.said[0].open("a") as kept:
            for line in self._process.stdout:
                if line.startswith('{"code": '):
                    return json.loads(line)["code"]
                kept.write(line)
        raise AssertionError(self.said[1].read_text())


def contents(*folders: Path):
    """Every file as bytes, with what is packed in the journals' rows."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path, path.read_bytes()
            if path.name == "journal.sqlite":
                with closing(sqlite3.connect(path)) as journal:
                    for table, column in (("task", "payload"), ("kept", "raw")):
                        for (packed,) in journal.execute(f"SELECT {column} FROM {table}"):
                            yield f"{path}: {table}.{column}", zlib.decompress(packed)


def forms(secret: str):
    return {
        secret.encode(),
        quote(secret).encode(),
        quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
    }


def leaks(secrets: dict[str, str], *folders: Path) -> list[str]:
    return [
        f"{name} in {where}"
        for where, content in contents(*folders)
        for name, secret in secrets.items()
        if any(form in content for form in forms(secret))
    ]


def validation(table, *more: str) -> list[str]:
    asked = f"--inferences {INFERENCES} --shots {SHOTS} --canary 2 --max-cost 100"
    return ["validate-on-hardware", str(table.run.path), "--device", table.device, *asked.split(), *more]


AWS_ERRORS = [
    ("GetDevice", "AccessDeniedException"),  # names the account
    ("GetCallerIdentity", "cut"),
    ("CreateBucket", "BucketAlreadyExists"),  # names the bucket
    ("CreateQuantumTask", "ValidationException"),
    ("GetQuantumTask", "ResourceNotFoundException"),  # names the task with the account
    ("GetObject", "drop-before"),  # the address has the bucket in it
    ("GetObject", "truncated"),
    ("GetObject", "other-task"),  # its answer is kept
]
IBM_ERRORS = [
    ("*", "forbidden"),
    ("GetJobs", "hang-after"),
    ("CreateJob", "bad-request"),
    ("CreateJob", "drop-before"),
    ("GetJob", "503"),
    ("GetResults", "truncated"),
    ("GetResults", "other-job"),
    ("GetToken", "500"),  # the key itself is sent instead
]


@pytest.mark.slow
def test_nothing_that_is_secret_is_written_or_said(bench, tmp_path):
    garnet, fez = bench(GARNET), bench(FEZ)
    home = {"QCLI_HOME": str(tmp_path / "home"), "QCLI_PATIENCE_S": "0.3", "QCLI_POLL_S": "0.02"}
    loud = {"QISKIT_IBM_RUNTIME_LOG_LEVEL": "WARNING", "PYTHONWARNINGS": "always"}
    with Shell(tmp_path, home | loud) as qcli:
        for table, errors in ((garnet, AWS_ERRORS), (fez, IBM_ERRORS)):
            for operation, kind in errors:
                table.stand_in.faults[:] = [Fault(operation, kind, 10**6)]
                code = qcli(*validation(table), "--debug")
                assert code in ((0, 1, 3) if operation == "GetToken" else (1, 3)), (operation, kind, code)
            table.stand_in.faults.clear()
            bucket = ["--s3", f"{braket.BUCKET}/planted"] if table is garnet else []
            run = str(table.run.path)
            commands = (
                ["jobs", "list", run],
                ["jobs", "show", run, "1"],
                ["jobs", "wait", run],
                ["assess", run],
            )
            for line in (validation(table, *bucket), *commands):
                assert qcli(*line) == 0, line
        assert qcli("ledger", "--json") == 0
    assert sum("task.payload" in str(where) for where, _ in contents(tmp_path)) >= 4
    assert sum("kept.raw" in str(where) for where, _ in contents(tmp_path)) >= 2
    assert "Traceback" in (tmp_path / "stderr").read_text()
    assert leaks(AWS, tmp_path) == []
    assert leaks(IBM, tmp_path) == []


def test_what_is_kept_of_a_wrong_answer_is_otherwise_as_it_came(bench):
    table = bench()
    table.stand_in.faults.append(Fault("GetObject", "other-task", 10**6))
    with pytest.raises(Exception, match="cannot be its result"):
        table.validate()
    with closing(sqlite3.connect(table.folder / "journal.sqlite")) as journal:
        (packed,) = journal.execute("SELECT raw FROM kept").fetchone()
    kept = zlib.decompress(packed)
    assert braket.ACCOUNT.encode() not in kept
    assert json.loads(kept)["taskMetadata"]["id"].startswith(
        "arn:aws:braket:eu-north-1:<account>:quantum-task/0000"
    )

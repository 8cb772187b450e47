"""Stand-ins behind the environment's variables, a quick pace, and a run directory to each test."""

import time
from contextlib import ExitStack

import pytest
from dateutil.tz import tzutc

from tests.hardware import helpers

_sleep = time.sleep


@pytest.fixture(scope="session")
def remembered(trained, tmp_path_factory):
    helpers.remember(trained.path, tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def quick(monkeypatch):
    """Nobody sleeps for longer than a moment."""
    for name in ("AWS_PROFILE", "AMZN_BRAKET_OUT_S3_BUCKET", "AMZN_BRAKET_TASK_RESULTS_S3_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USAGE_DATA_OPT_OUT", "True")  # IBM's client looks through the stack at every request
    monkeypatch.setattr("dateutil.tz.tzlocal", tzutc)
    monkeypatch.setenv("QCLI_POLL_S", "0.02")
    monkeypatch.setenv("QCLI_PATIENCE_S", str(helpers.PATIENCE_S))
    monkeypatch.setattr(time, "sleep", lambda seconds: _sleep(min(seconds, 0.02)))
    helpers.memoised(monkeypatch)


@pytest.fixture
def bench(remembered, quick, tmp_path, monkeypatch):
    """`bench(device, stand-in's arguments)`: a run directory, and the device's stand-in."""
    with ExitStack() as stack:

        def begin(device=helpers.GARNET, plan=None, options=None, **arguments):
            stand_in = stack.enter_context(helpers.STAND_INS[device.partition("/")[0]](**arguments))
            stand_in.hang_s = helpers.HANG_S
            for name, value in stand_in.environment().items():
                monkeypatch.setenv(name, value)
            run = helpers.copy(tmp_path / "runs" / device.replace("/", "-"))
            return helpers.Bench(run, device, stand_in, monkeypatch, plan, options or {})

        yield begin

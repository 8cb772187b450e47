"""What all tests share: fixed random choices, no display, no network, and one small trained run."""

import os

import pytest
from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("COLUMNS", "110")


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """Prices and ledger of the person who runs the tests are neither read nor written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QCLI_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run directory of a small VQC trained for three epochs on the digits 0 and 1; copy it before changing it."""
    from qcli.train.run import Settings
    from qcli.train.train import train

    return train(
        "vqc",
        "digits:0,1",
        options={"wires": "3", "layers": "2"},
        settings=Settings(epochs=3, batch=64, lr=0.05),
        out=tmp_path_factory.mktemp("runs") / "vqc",
    )


@pytest.fixture
def run_copy(trained, tmp_path):
    """A copy of the trained run that a test may damage."""
    import shutil

    from qcli.train.run import Run

    return Run.open(shutil.copytree(trained.path, tmp_path / "run"))


def pytest_collection_modifyitems(items):
    """The longest first, so that no worker begins one when the others are done."""
    longest = ("test_the_commands_of_the_readme", "test_disturbed_validations", "test_a_job_out_of_time")
    items.sort(key=lambda item: not item.name.startswith(longest))

"""What would run, before anything does."""

from decimal import Decimal

import pytest

from qcli.errors import QcliError
from qcli.progress.bounds import bounds
from tests.progress.helpers import plan_of

SLURM = {
    "executor": "slurm",
    "sampler": "random",
    "trials": 9,
    "together": 2,
    "best": 2,
    "seeds": 3,
    "slurm": {"time_s": 1800, "cpus": 2},
    "final": {"time_s": 7200, "cpus": 4, "nodes": 2, "tasks_per_node": 8},
}


def test_jobs_cores_and_core_hours_on_slurm(tmp_path):
    _, search, seeds, final, _ = bounds(plan_of(tmp_path / "p", hpc=SLURM))
    assert (search.what, search.jobs, search.cores, search.core_hours) == ("search, 9 trials", 5, 2, 5.0)
    assert (seeds.what, seeds.jobs, seeds.core_hours) == ("3 seeds of the best 2", 3, 3.0)
    assert (final.jobs, final.cores, final.core_hours) == (1, 64, 128.0)


def test_without_a_space_there_is_the_final_training_alone(tmp_path):
    parts = bounds(plan_of(tmp_path / "p", space={}))
    assert [(part.stage, part.what) for part in parts][1:2] == [("hpc", "final training")]
    assert len(parts) == 3
    assert all(part.core_hours is None for part in parts)


@pytest.mark.parametrize(
    ("qpu", "usd", "note"),
    [
        ({"device": "emulator/garnet"}, "0", "emulated: costs nothing"),
        ({"device": "braket/garnet"}, "0", "a dry run: spend is not true; would be braket/garnet 2.53 USD"),
        ({"device": "braket/garnet", "spend": True, "max_cost": "4"}, "4", "the cap"),
        ({"device": "recommended"}, "0", "ibm/fez"),
    ],
)
def test_the_most_that_may_be_spent(tmp_path, qpu, usd, note):
    last = bounds(plan_of(tmp_path / "p", qpu=qpu))[-1]
    assert last.usd == Decimal(usd)
    assert note in last.note


def test_nothing_is_written_and_a_space_that_cannot_be_built_is_refused(tmp_path):
    with pytest.raises(QcliError, match="no option 'wirse'"):
        bounds(plan_of(tmp_path / "p", space={"wirse": {"choice": [2, 4]}}))
    assert not (tmp_path / "p").exists()

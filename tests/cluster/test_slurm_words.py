"""How Slurm writes ids, states and refusals, and what they mean here. Needs no Slurm."""

import pytest

from qcli.cluster.jobs import Resources
from qcli.cluster.slurm import parameters
from qcli.cluster.slurm_job import job_id
from qcli.cluster.slurm_states import Row, by_array, expand, refusal, rows, state_of, task_ids


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("7", ["7"]),
        ("7_3", ["7_3"]),
        ("7_[3]", ["7_3"]),
        ("7_[0-2,5%4]", ["7_0", "7_1", "7_2", "7_5"]),
        ("7_[0-6:3]", ["7_0", "7_3", "7_6"]),
        ("7.batch", ["7.batch"]),
    ],
)
def test_ids(written, meant):
    assert expand(written) == meant


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("pending", "PENDING CONFIGURING REQUEUED REQUEUE_HOLD"),
        ("running", "RUNNING COMPLETING SUSPENDED STOPPED SOMETHING_NEW"),
        ("done", "COMPLETED"),
        ("failed", "FAILED OUT_OF_MEMORY"),
        ("timeout", "TIMEOUT DEADLINE"),
        ("cancelled", "CANCELLED CANCELLED+ REVOKED"),
        ("lost", "NODE_FAIL BOOT_FAIL PREEMPTED"),
    ],
)
def test_states(state, words):
    assert {state_of(word) for word in words.split()} == {state}
    assert state_of(f"{words.split()[0]} by 1000") == state


def test_a_table():
    assert rows("7_[0-1%4]|PENDING|/a/b c.sh\n\n8|CANCELLED by 0\n") == [
        Row("7_0", "pending", "/a/b c.sh"),
        Row("7_1", "pending", "/a/b c.sh"),
        Row("8", "cancelled"),
    ]


def test_arrays_come_newest_first():
    found = rows("9_0|PENDING\n10_1|PENDING\n10_0|RUNNING\n")
    assert {array: [row.id for row in members] for array, members in by_array(found).items()} == {
        "10": ["10_1", "10_0"],
        "9": ["9_0"],
    }
    assert list(by_array(found)) == ["10", "9"]
    assert (task_ids("7", 1), task_ids("7", 2)) == (("7",), ("7_0", "7_1"))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "sbatch: error: invalid partition specified: x\nsbatch: error: Batch job submission failed: Bad name",
            "invalid partition specified: x; Bad name",
        ),
        (
            "sbatch: unrecognized option '--x'\nTry \"sbatch --help\"",
            "unrecognized option '--x'; Try \"sbatch --help\"",
        ),
        ("", "sbatch gave no reason"),
    ],
)
def test_refusals(message, reason):
    assert refusal(message) == reason


def test_resources_in_submitits_words():
    asked = Resources(
        partition="gpu", time_s=90, cpus=4, gpus=2, memory_gb=1.5, width=8, extra={"exclusive": "", "x": "1"}
    )
    found = parameters("name", asked)
    expected = {
        "partition": "gpu",
        "time": 2,
        "mem": "1536MB",
        "cpus_per_task": 4,
        "gpus_per_node": 2,
        "array_parallelism": 8,
        "srun_args": ["--cpus-per-task=4"],
        "additional_parameters": {"requeue": True, "exclusive": True, "x": "1"},
    }
    assert {key: found[key] for key in expected} == expected
    assert not {"account", "qos", "mem", "gpus_per_node"} & set(parameters("name", Resources()))


def test_a_job_knows_itself():
    assert job_id({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}) == "7_2"
    assert job_id({"SLURM_JOB_ID": "9"}) == "9"

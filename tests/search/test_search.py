"""A search has the same trials however it is run."""

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from qcli.cluster.local import Local
from qcli.errors import QcliError
from qcli.search import study as studies
from qcli.search.document import document
from qcli.search.plan import Plan, open_plan
from qcli.search.run import begin, front, ranked, search, table
from qcli.search.space import Choice, parse_dimension
from qcli.train.run import Run, Settings
from tests.search.helpers import BROKEN, Inline, completions, plan_of, results


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A search of eight trials that ran undisturbed, one after the other."""
    folder = tmp_path_factory.mktemp("search") / "sweep"
    begin(plan_of(), folder)
    search(folder, Inline(), poll_s=0)
    return folder


def test_the_table_has_every_trial_with_its_values(finished):
    rows = table(finished)
    assert [row.number for row in rows] == list(range(8))
    assert all(row.state == "complete" and 0 <= row.values["accuracy"] <= 1 for row in rows)
    assert all(row.epochs == 2 and row.seconds > 0 for row in rows)
    best = ranked(rows, open_plan(finished))[0]
    assert best.values["accuracy"] == max(row.values["accuracy"] for row in rows)
    assert best.number in front(finished)


def test_a_trial_is_a_run_directory_with_its_point(finished):
    for row in table(finished):
        run = Run.open(finished / "trials" / f"{row.number:05d}")
        assert run.info.training.lr == row.params["lr"]
        assert run.info.model.options == {"wires": row.params["wires"]}
        assert len((run.path / "history.jsonl").read_text().splitlines()) == 2
        run.model()


def test_two_workers_and_jobs_of_three_trials_give_the_same_table(finished, tmp_path):
    folder = tmp_path / "sweep"
    begin(plan_of(), folder)
    with Local(tmp_path / "jobs", 2) as jobs:
        search(folder, jobs, together=3, poll_s=0.05)
    assert results(folder) == results(finished)
    assert completions(folder) == Counter(range(8))


def test_a_driver_killed_at_work_is_followed_by_another(finished, tmp_path):
    folder = tmp_path / "sweep"
    begin(plan_of(), folder)
    script = (
        "import sys\nfrom pathlib import Path\nfrom qcli.cluster.local import Local\n"
        "from qcli.search.run import search\n"
        "folder = Path(sys.argv[1])\n"
        "search(folder, Local(folder / 'jobs', 1), poll_s=0.05)"
    )
    driver = subprocess.Popen([sys.executable, "-c", script, str(folder)])
    while not completions(folder):
        assert driver.poll() is None
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    assert len(completions(folder)) < 8
    search(folder, Inline(), poll_s=0)
    assert results(folder) == results(finished)
    assert completions(folder) == Counter(range(8))


def test_a_worker_that_is_lost_costs_no_trial(finished, tmp_path):
    folder = tmp_path / "sweep"
    begin(plan_of(), folder)
    search(folder, Inline(lost={1, 4}), poll_s=0)
    assert results(folder) == results(finished)


def test_a_trial_whose_jobs_are_always_lost_is_given_up(tmp_path):
    folder = tmp_path / "sweep"
    begin(plan_of(sampler="random", trials=2), folder)
    rows = search(folder, Inline(lost={0, 2, 3}), attempts=3, poll_s=0)
    assert [row.state for row in rows] == ["failed", "complete"]
    assert "its jobs ended without a result" in rows[0].error


def test_a_broken_trial_is_told_with_its_reason_and_the_rest_goes_on(tmp_path):
    model = tmp_path / "odd.py"
    model.write_text(BROKEN)
    folder = tmp_path / "sweep"
    space = {"mood": parse_dimension("good,bad,fair")}
    begin(plan_of(model=str(model), space=space, sampler="grid"), folder)
    rows = search(folder, Inline(), poll_s=0)
    assert [row.state for row in rows] == ["complete", "failed", "complete"]
    assert "not today" in rows[1].error


def test_trials_worse_than_earlier_generations_are_pruned_alike(tmp_path):
    plan = plan_of(
        sampler="random",
        trials=20,
        prune=True,
        generation=10,
        settings=Settings(epochs=4),
        objectives=("loss",),
        space={"lr": parse_dimension("log:0.000001..0.1"), "wires": parse_dimension("2")},
    )
    tables = []
    for name, jobs in (("a", Inline()), ("b", Inline(backwards=True))):
        begin(plan, tmp_path / name)
        search(tmp_path / name, jobs, poll_s=0)
        tables.append(results(tmp_path / name))
    assert tables[0] == tables[1]
    states = [state for _, _, state, _, _ in tables[0]]
    assert "pruned" in states[10:]
    assert "pruned" not in states[:10]


def test_a_pareto_front_of_accuracy_gates_and_cost(tmp_path):
    folder = tmp_path / "sweep"
    plan = plan_of(
        objectives=("forecast", "gates", "usd"),
        device="braket/garnet",
        space={"wires": Choice(choice=(2, 4)), "shots": Choice(choice=(64, 256))},
        sampler="grid",
        inferences=8,
    )
    begin(plan, folder)
    rows = search(folder, Inline(), poll_s=0)
    by = {(row.params["wires"], row.params["shots"]): row.values for row in rows}
    assert by[2, 64]["gates"] < by[4, 64]["gates"]
    assert by[4, 64]["usd"] < by[4, 256]["usd"]
    content = document(folder)
    for number in content["front"]:
        mine = rows[number].values
        for other in rows:
            theirs = other.values
            no_worse = theirs["forecast"] >= mine["forecast"] and theirs["gates"] <= mine["gates"]
            assert not (no_worse and theirs["usd"] <= mine["usd"] and theirs != mine)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"space": {"wirse": parse_dimension("2,4")}}, ["no option 'wirse'", "wires"]),
        ({"space": {"wires": parse_dimension("1..4")}}, ["wires=1"]),
        ({"space": {"lr": parse_dimension("-1.0..0.1")}}, ["lr = -1.0", "greater than 0"]),
        ({"space": {"batch": parse_dimension("a,b")}}, ["batch = 'a'"]),
        ({"model": "qcmm"}, ["unknown model"]),
        ({"data": "digits:3"}, ["digits"]),
        ({"options": {"wires": "4"}}, ["fixed and searched"]),
    ],
)
def test_a_space_that_nothing_can_be_built_from_is_refused_before_anything_starts(tmp_path, change, words):
    with pytest.raises(QcliError) as caught:
        begin(plan_of(**change), tmp_path / "sweep")
    assert all(word in str(caught.value) for word in words)
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"objectives": ("accuracy", "gates")}, "gates needs a device"),
        ({"objectives": ("accuracy", "loss"), "prune": True}, "prune is for"),
        ({"space": {"shots": parse_dimension("1..4")}}, "shots make a difference"),
    ],
)
def test_a_plan_that_contradicts_itself_is_none(change, words):
    with pytest.raises(ValueError, match=words):
        plan_of(**change)


def test_another_plan_in_the_same_folder_is_refused_and_the_same_one_goes_on(finished, tmp_path):
    assert begin(plan_of(), finished) == open_plan(finished)
    with pytest.raises(QcliError, match="holds another search"):
        begin(plan_of(trials=9), finished)


def test_a_database_in_place_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIALS", f"sqlite:///{tmp_path}/trials.db")
    folder = tmp_path / "sweep"
    begin(plan_of(storage="$TRIALS", trials=2), folder)
    search(folder, Inline(), poll_s=0)
    assert [row.state for row in table(folder)] == ["complete", "complete"]
    assert not (folder / studies.JOURNAL).exists()
    assert str(tmp_path) not in (folder / "search.json").read_text()


def test_later_generations_of_tpe_depend_on_earlier_ones_alone(finished):
    plan = Plan(**open_plan(finished).model_dump(by_alias=True) | {"trials": 16})
    earlier = studies.open_study(finished, plan).get_trials(deepcopy=False)
    together = studies.points(plan, range(8, 16), earlier)
    assert together == [studies.points(plan, [number], earlier)[0] for number in range(8, 16)]
    assert len({str(point) for point in together}) == 8

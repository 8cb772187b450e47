"""The page of a progression: all stages on one page, harmless, and honest about what is missing."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qcli.cli.progress import app
from qcli.progress.plan import Progression
from qcli.progress.run import folder_of
from qcli.progress.stage import Check, Name, Result, work_folder
from qcli.report import forecast_plots, plots, search_page, search_plots
from qcli.report.html import templates
from qcli.report.progress_page import write_progress_report
from qcli.search import study as studies
from qcli.search.plan import REPETITION, Plan
from qcli.search.run import Trial
from qcli.search.space import Choice, Log, Point, Range, distributions
from tests.report import example
from tests.report.test_html import HOSTILE, Page

SPACE = {"lr": {"log": [0.001, 0.1]}, "wires": {"choice": [4, 8]}, "layers": {"range": [1, 4]}}
POINT = {"lr": 0.01, "wires": 8, "layers": 2}
MET = Check("training reduces the loss", "last below first", "0.69 → 0.31", True, "raise training.lr")
MISSED = Check("bill on braket/garnet", "at most 5 USD", "35.94 USD", False, "fewer inferences")

Outcome = float | tuple[float, ...] | str | None
"""Of a trial: its values, pruned, why it failed, or None while it runs."""


def progression(out: Path, **changes: Any) -> Progression:
    content = {
        "model": "qcnn",
        "data": "digits:0,1",
        "targets": ["braket/garnet", "ibm/fez"],
        "space": SPACE,
        "limits": {"baselines": "not worse", "max_degradation": 10, "budget": "50"},
        "qpu": {"device": "emulator/garnet"},
    }
    return Progression.model_validate(content | {"out": str(out)} | changes)


def write_search(folder: Path, points: list[tuple[Point, Outcome]], **changes: Any) -> None:
    """A search as its workers leave it, without their work."""
    from optuna.trial import TrialState, create_trial

    content = {"schema": "qcli.search/1", "model": "qcnn", "data": "digits:0,1", "space": SPACE}
    plan = Plan.model_validate(content | {"trials": len(points)} | changes)
    plan.save(folder)
    study = studies.make_study(folder, plan)
    for point, _ in points:
        study.add_trial(
            create_trial(
                state=TrialState.RUNNING, params=dict(point), distributions=distributions(plan.space)
            )
        )
    for number, (_, outcome) in enumerate(points):
        if outcome == "pruned":
            studies.tell_pruned(study, number)
        elif isinstance(outcome, str):
            studies.tell_failed(study, number, outcome)
        elif outcome is not None:
            record = {"epochs": 10, "seconds": 1.5, "host": "here", "job": None}
            studies.trial_of(study, number).set_user_attr("record", record)
            studies.tell(study, number, outcome if isinstance(outcome, tuple) else (outcome,))


def trials(outcomes: list[Outcome]) -> list[tuple[Point, Outcome]]:
    found: list[tuple[Point, Outcome]] = []
    for k, outcome in enumerate(outcomes):
        point = {"lr": 0.001 * 1.4**k, "wires": (4, 8)[k % 2], "layers": 1 + k % 4}
        found.append((POINT if k == 0 else point, outcome))
    return found


SEARCHED = trials([0.98, 0.71, 0.85, "pruned", 0.9, "no memory left", 0.66, 0.93])
SEEDED = [({**point, REPETITION: k}, 0.9 + 0.04 * k) for point, _ in SEARCHED[:2] for k in range(2)]


def write_seeds(folder: Path) -> None:
    names: dict[str, list[Any]] = {
        name: list(dict.fromkeys(point[name] for point, _ in SEEDED)) for name in SEEDED[0][0]
    }
    space = {name: {"choice": values} for name, values in names.items()}
    write_search(folder, SEEDED, space=space, listed=[point for point, _ in SEEDED])


def write_run_at(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    example.write_run(path.parent).rename(path)


def end(plan: Progression, stage: Name, *checks: Check, submitted: bool = True, **facts: Any) -> None:
    folder = folder_of(plan)
    folder.begin(plan, stage)
    folder.end(stage, Result(checks, facts, submitted), 60.0)


def write_laptop(plan: Progression, *checks: Check) -> None:
    run = work_folder(folder_of(plan), plan, "laptop") / "run"
    write_run_at(run)
    gradients = {"unreached": ["0.bias"], "variance": 1.8e-4, "wires": 8, "draws": 32}
    bill = {"device": "ibm/fez", "plan": "job", "usd": "14.40", "usd_high": "17.60", "note": "Heron"}
    facts = {"samples": 200, "loss": [0.69, 0.31], "seconds": 2.0, "gradients": gradients, "bills": [bill]}
    end(plan, "laptop", *(checks or (MET,)), run=str(run), **facts)


def write_hpc(plan: Progression, *checks: Check) -> None:
    work = work_folder(folder_of(plan), plan, "hpc")
    write_search(work / "search", SEARCHED)
    write_seeds(work / "seeds")
    write_run_at(work / "final")
    point, device = SEARCHED[0][0], "emulator/garnet"
    end(plan, "hpc", *(checks or (MET,)), run=str(work / "final"), point=point, trials=8, device=device)


def write_qpu(plan: Progression) -> None:
    interval = {"value": 0.9375, "low": 0.83, "high": 0.98}
    facts = {"device": "emulator/garnet", "accuracy": interval, "simulated": interval, "usd": "1.25"}
    end(plan, "qpu", MET, forecast={"value": 0.94, "low": 0.879, "high": 0.982}, **facts)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Progression:
    plan = progression(tmp_path_factory.mktemp("progression") / "out")
    write_laptop(plan)
    write_hpc(plan)
    write_qpu(plan)
    return plan


@pytest.fixture(scope="module")
def html(template: Progression) -> str:
    return written(template)


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares the drawing where only the words matter."""
    for module, names in {
        plots: ("training_curves", "expectation_scatter", "cost_bars", "pareto"),
        forecast_plots: ("accuracy_by_device", "loss_by_source"),
        search_plots: ("parallel_coordinates", "importance_bars", "pareto_front"),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, lambda *_, **__: "<svg></svg>")


WORDS_ONLY = pytest.mark.usefixtures("no_plots")


def written(plan: Progression) -> str:
    path = write_progress_report(plan)
    assert path == folder_of(plan).path / "report.html"
    return path.read_text(encoding="utf-8")


def answer(html: str) -> str:
    (found,) = re.findall(r'<p class="answer">(.*?)</p>', html, re.DOTALL)
    return str(found)


def test_the_answer_stands_on_top(html: str) -> None:
    assert answer(html) == (
        "All stages passed. 93.8 % accuracy on emulator/garnet, 93.8 % in simulation, "
        "forecast 87.9–98.2 %, for 1.25 USD."
    )


def test_the_page_joins_all_stages(html: str) -> None:
    text = Page(html).text
    for figure in (
        *("training reduces the loss", "0.69 → 0.31", "last below first", "✓", "3.00 min", "1.25"),
        *("0.6900 → 0.3100", "0.00018", "0.bias", "14.40–17.60", "Heron"),
        *("no memory left", "pruned", "as the strip", "98.0%", "92.0 ± 2.8 %", "trained to the end"),
        *("The final run", "97.9 % accuracy in simulation", "Cost per device", "On the device", "1,980.48"),
        "6 complete, 1 failed, 1 pruned",
    ):
        assert figure in text, figure
    assert "Not there yet" not in text
    assert "Not readable" not in text
    assert "To try" not in text
    assert html.count("<!doctype html>") == 1


def test_the_page_needs_no_network_and_no_script(html: str) -> None:
    page = Page(html)
    assert page.tags.isdisjoint({"script", "link", "iframe", "img", "object", "image"})
    references = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "action")]
    assert all(value.startswith("#") for value in references)
    assert re.findall(r"url\((?!#)|@import", html) == []


def test_every_place_on_the_page_has_a_name_of_its_own(html: str) -> None:
    names = [value for name, value in Page(html).attributes if name == "id"]
    assert len(set(names)) == len(names)
    targets = {value[1:] for name, value in Page(html).attributes if name in ("href", "xlink:href")}
    assert targets <= set(names)


def test_the_same_folder_gives_the_same_page(html: str, template: Progression) -> None:
    assert written(template) == html


def test_trials_stand_with_the_best_first(html: str) -> None:
    table = re.search(r'<table class="full trials">.*?</table>', html, re.DOTALL)
    assert table
    numbers = re.findall(r'<tr class="\w*"><td class="n">(\d+)</td>', table[0])
    assert numbers == ["0", "7", "4", "2", "1", "6", "3", "5"]


@WORDS_ONLY
def test_a_gate_that_is_not_met_says_what_to_try(tmp_path: Path) -> None:
    plan = progression(tmp_path / "out")
    write_laptop(plan)
    write_hpc(plan, MET, MISSED)
    page = written(plan)
    assert answer(page) == (
        "Laptop passed; stopped at HPC, whose gate is not met: bill on braket/garnet: 35.94 USD, asked at most 5 USD."
    )
    text = Page(page).text
    assert "✗" in text and "To try: fewer inferences." in text and "qcli progress run FILE.toml" in text


@WORDS_ONLY
def test_a_dry_run_says_what_it_would_cost(tmp_path: Path) -> None:
    plan = progression(tmp_path / "out")
    write_laptop(plan)
    write_hpc(plan)
    end(plan, "qpu", submitted=False, device="braket/garnet", usd_high="35.94")
    assert answer(written(plan)) == (
        "Laptop and HPC passed; QPU was a dry run, nothing was submitted: braket/garnet would cost at most 35.94 USD."
    )


def test_a_progression_that_has_not_begun_has_a_page(tmp_path: Path) -> None:
    page = written(progression(tmp_path / "out"))
    assert answer(page) == "The progression has not begun."
    text = Page(page).text
    assert "Not there yet: laptop's training, search, seeds of the best, final training." in text
    assert "Not begun: no gate was judged." in text


@WORDS_ONLY
def test_a_search_half_done_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    plan = progression(tmp_path / "out")
    write_laptop(plan)
    folder_of(plan).begin(plan, "hpc")
    write_search(
        work_folder(folder_of(plan), plan, "hpc") / "search", trials([0.8, 0.9, None, "pruned"]), trials=12
    )
    page = written(plan)
    assert (
        answer(page) == "Laptop passed; HPC has begun and not finished: it is under way, or was interrupted."
    )
    text = Page(page).text
    assert "3 of 12 trials have ended so far" in text and "qcli progress resume FILE.toml" in text
    assert "No final training to show" in text


def test_a_stage_that_was_interrupted_shows_its_curves(tmp_path: Path) -> None:
    plan = progression(tmp_path / "out")
    run = work_folder(folder_of(plan), plan, "laptop") / "run"
    write_run_at(run)
    (run / "metrics.json").unlink()
    folder_of(plan).begin(plan, "laptop")
    page = written(plan)
    assert answer(page) == "Laptop has begun and not finished: it is under way, or was interrupted."
    assert (
        "laptop&#39;s training: metrics.json" in page and 'aria-label="Loss and accuracy of the first' in page
    )


@WORDS_ONLY
@pytest.mark.parametrize(
    ("name", "damage", "named"),
    [
        ("final/run.json", "{", "final training: "),
        ("final/metrics.json", "[]", "final training: metrics.json"),
        ("search/search.json", "{", "search: "),
        ("search/search.json", '{"schema": "qcli.search/1"}', "search: search.json: model"),
        ("search/study.journal", "nonsense\n" * 3, "search: "),
        ("seeds/search.json", "null", "seeds of the best: "),
    ],
)
def test_what_is_damaged_is_named(
    template: Progression, tmp_path: Path, name: str, damage: str, named: str
) -> None:
    plan = progression(tmp_path / "out")
    shutil.copytree(folder_of(template).path, folder_of(plan).path)
    path = work_folder(folder_of(plan), plan, "hpc") / name
    path.write_text(damage)
    page = Page(written(plan)).text
    assert "Not readable, and so not in this report" in page
    assert named in page
    assert "14.40–17.60" in page and "3.00 min" in page, "the rest is there"


@WORDS_ONLY
def test_a_progression_that_was_moved_is_read_where_it_is(template: Progression, tmp_path: Path) -> None:
    plan = progression(tmp_path / "out")
    shutil.copytree(folder_of(template).path, folder_of(plan).path)
    text = Page(written(plan)).text
    assert "no memory left" in text, "a trial of the search"
    assert "97.9 % accuracy in simulation" in text


@WORDS_ONLY
@pytest.mark.parametrize(
    "facts", [{"bills": [{"device": "x", "usd": 1.5}]}, {"gradients": {}}, {"run": "../../elsewhere/run"}]
)
def test_facts_of_another_kind_do_not_stop_the_page(tmp_path: Path, facts: dict[str, Any]) -> None:
    plan = progression(tmp_path / "out")
    end(plan, "laptop", MET, **facts)
    text = Page(written(plan)).text
    assert "run" in facts or "progress.jsonl, stage laptop: facts." in text


def test_lines_that_are_no_events_do_not_stop_the_page(tmp_path: Path) -> None:
    plan = progression(tmp_path / "out")
    log = folder_of(plan).log
    log.append("passed", stage="laptop", checks=[{"surprise": 1}], facts={})
    log.append("passed")
    assert "cannot be read" in answer(written(plan))


@WORDS_ONLY
def test_a_file_that_was_edited_is_said(template: Progression, tmp_path: Path) -> None:
    plan = progression(tmp_path / "out")
    write_laptop(plan, MISSED)
    changed = plan.model_copy(update={"laptop": plan.laptop.model_copy(update={"samples": 50})})
    text = Page(written(changed)).text
    assert "The file was edited since Laptop began" in text
    assert "14.40–17.60" in text and "Loss and accuracy" not in text
    assert "0.6900 → 0.3100" in text


@WORDS_ONLY
def test_a_progression_without_a_space_has_no_search(tmp_path: Path) -> None:
    plan = progression(tmp_path / "out", space={})
    assert "Nothing was searched" in Page(written(plan)).text


@WORDS_ONLY
def test_the_password_of_a_database_is_not_shown(tmp_path: Path) -> None:
    plan = progression(tmp_path / "out", hpc={"storage": "postgresql://me:hunter2@db/studies"})
    assert "hunter2" not in written(plan)


def test_whatever_comes_from_data_is_escaped(tmp_path: Path) -> None:
    space = {HOSTILE: {"choice": [HOSTILE, "b"]}, "lr": {"log": [0.01, 0.1]}}
    plan = progression(
        tmp_path / "out", model=f"{HOSTILE}.py", data=HOSTILE, targets=[HOSTILE], options={HOSTILE: HOSTILE}
    )
    checks = Check(HOSTILE, HOSTILE, HOSTILE, False, HOSTILE)
    run = work_folder(folder_of(plan), plan, "laptop") / "run"
    write_run_at(run)
    content = json.loads((run / "run.json").read_text())
    content["data"]["classes"] = [HOSTILE, "b"]
    content["model"]["name"] = HOSTILE
    (run / "run.json").write_text(json.dumps(content))
    gradients = {"unreached": [HOSTILE], "variance": 1e-4, "wires": 8, "draws": 32}
    bills = [{"device": HOSTILE, "plan": HOSTILE, "note": HOSTILE}]
    end(plan, "laptop", checks, run=str(run), gradients=gradients, bills=bills, device=HOSTILE)
    work = work_folder(folder_of(plan), plan, "hpc")
    shutil.copytree(run, work / "final")
    points = [{HOSTILE: (HOSTILE, "b")[k % 2], "lr": 0.02 + 0.01 * k} for k in range(6)]
    outcomes: list[Outcome] = [(0.5 + 0.05 * k, 12.0 - k) for k in range(5)]
    changes = {"model": HOSTILE, "data": HOSTILE, "objectives": ["accuracy", "usd"], "device": HOSTILE}
    write_search(
        work / "search", list(zip(points, [*outcomes, HOSTILE], strict=True)), space=space, **changes
    )
    write_search(
        work / "seeds",
        [({**points[0], REPETITION: 0}, outcomes[0])],
        space={name: {"choice": [value]} for name, value in {**points[0], REPETITION: 0}.items()},
        **changes,
    )
    page = Page(written(plan))
    assert page.tags.isdisjoint({"script", "img"})
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count("<script>alert(1)") > 15


def listed(count: int) -> dict[str, Any]:
    """A search's document of so many complete trials, the last the best."""
    plan = {"schema": "qcli.search/1", "model": "qcnn", "data": "digits:0,1", "space": SPACE, "trials": count}
    row = {"params": POINT, "state": "complete", "epochs": 10, "seconds": 1.0, "error": None}
    return {
        "folder": "runs/sweep",
        "plan": Plan.model_validate(plan).model_dump(mode="json", by_alias=True),
        "trials": [{"number": k, "values": {"accuracy": k / count}, **row} for k in range(count)],
        "front": [count - 1],
        "importances": {},
    }


@WORDS_ONLY
def test_of_many_trials_the_best_are_listed_and_the_rest_named() -> None:
    shown = search_page.content(listed(502))
    assert [row["number"] for row in shown["rows"]] == list(range(501, 1, -1))
    page = templates().get_template("search.html").render(searched=True, search=shown, seeds=None)
    assert "The first 500; all of them: <code>qcli sweep --resume runs/sweep --json</code>" in page


@WORDS_ONLY
def test_trials_as_good_as_the_best_are_said_to_be() -> None:
    content = listed(3)
    content["trials"][1]["values"] = content["trials"][2]["values"]
    rows = search_page.content(content | {"front": [1, 2]})["rows"]
    assert [(row["number"], row["best"], row["note"]) for row in rows] == [
        (1, True, ""),
        (2, False, "as good as the best"),
        (0, False, ""),
    ]


def test_a_dimension_searched_by_its_logarithm_is_drawn_by_it() -> None:
    axis = search_plots.dimension_axis("lr", Log(log=(0.001, 0.1)))
    assert axis.place(0.01) == pytest.approx(0.5)
    assert {"0.001", "0.01", "0.1"} <= {word for _, word in axis.ticks}
    assert search_plots.dimension_axis("layers", Range(range=(1, 5))).place(2) == pytest.approx(0.25)


def test_choices_stand_apart_in_their_order() -> None:
    axis = search_plots.dimension_axis("embedding", Choice(choice=("angle", "iqp")))
    assert axis.ticks == ((0.25, "angle"), (0.75, "iqp"))
    assert axis.place("iqp") == 0.75 and axis.place("gone") is None


def test_the_better_end_of_an_objective_is_up() -> None:
    accuracy = search_plots.objective_axis("accuracy", [0.5, 0.9])
    usd = search_plots.objective_axis("usd", [10.0, 20.0])
    assert (accuracy.place(0.9), usd.place(20.0)) == (1, 0)


def test_parallel_coordinates_name_every_kind_of_line() -> None:
    plan = Plan.model_validate(listed(4)["plan"])
    states = ("complete", "pruned", "failed", "open")
    rows = [
        Trial(k, POINT, state, {"accuracy": 0.9} if k == 0 else {}, 1, 1.0, None)
        for k, state in enumerate(states)
    ]
    svg = search_plots.parallel_coordinates(plan, rows, [0], "search")
    for word in ("best: trial 0", "pruned", "failed", "not finished", "lr", "wires", "layers", "90.0%"):
        assert f">{word}<" in svg, word
    assert search_plots.parallel_coordinates(plan, [], [], "search") == ""


def test_the_command_prints_where_the_page_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.toml").write_text('model = "qcnn"\ndata = "digits:0,1"\ntargets = ["ibm/fez"]\nout = "here"\n')
    done = CliRunner().invoke(app, ["report", "p.toml"])
    assert done.exit_code == 0 and done.stdout == "here/report.html\n"
    assert "has not begun" in Path("here/report.html").read_text()

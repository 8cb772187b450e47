"""report.html: complete in itself, harmless, repeatable, and honest about what is missing."""

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from qcli.errors import QcliError
from qcli.report import forecast_plots, plots
from qcli.report.html import estimate_page, write_report
from tests.report import example

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """Checks that tags nest, and collects attributes and visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example.write_run(tmp_path_factory.mktemp("complete"))


@pytest.fixture
def run_dir(complete: Path, tmp_path: Path) -> Path:
    """A complete run directory without a report, to change at will."""
    copy = tmp_path / complete.name
    shutil.copytree(complete, copy, ignore=shutil.ignore_patterns("report.html"))
    return copy


@pytest.fixture(scope="module")
def html(complete: Path) -> str:
    """The page of a complete run directory."""
    return written(complete)


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares the drawing where only the words matter."""
    for name in ("training_curves", "expectation_scatter", "cost_bars", "pareto"):
        monkeypatch.setattr(plots, name, lambda *_: "<svg></svg>")
    for name in ("accuracy_by_device", "loss_by_source"):
        monkeypatch.setattr(forecast_plots, name, lambda *_: "<svg></svg>")


WORDS_ONLY = pytest.mark.usefixtures("no_plots")


def written(run_dir: Path) -> str:
    path = write_report(run_dir)
    assert path == run_dir / "report.html"
    return path.read_text(encoding="utf-8")


def edit(path: Path, change: Callable[[dict], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_the_answer_stands_on_top(html: str) -> None:
    answer = re.search(r'<p class="answer">(.*?)</p>', html)
    assert answer
    assert answer[1] == (
        "97.9 % accuracy in simulation, 93.8 % on emulator/garnet "
        "(−4.2 points, 95 % interval −10.4 to +2.1); "
        "forecast on 3 devices: 97.2 % (91.0–100.0 %) on ibm/fez to 94.1 % (87.9–98.2 %) on braket/garnet; "
        "48 inferences cost 10.74 USD (braket/cepheus-1-108q, program-sets) "
        "to 1,980.48 USD (braket/forte-enterprise-1, separate) on the 6 online QPUs compiled for."
    )


def test_the_page_shows_the_figures_of_every_file(html: str) -> None:
    text = Page(html).text
    for figure in (
        *(
            "583 trainable parameters, 63 of them",
            "230 training, 58 validation, 72 test",
            "c3" * 32,
            "torch 2.13.0",
        ),
        *(
            "97.2 ± 1.4 %",
            "92.5–99.8 %",
            "logistic regression",
            "Intervals: Wilson",
            "94.9–100.0 %",
            "36.4 s",
        ),
        *("50.04", "35.94", "0.7487", "24,576", "0.00145", "7.1–11 s", "assumed", "measured", "2026-02-20"),
        *("https://aws.amazon.com/braket/pricing/", "fit to 12 jobs", "GetDevice", "9 wires, 8 qubits"),
        *("0.625", "4 of 48", "12.3 ms", "depth 96", "No QPU was used"),
    ):
        assert figure in text, figure
    assert text.count("flipped prediction") >= 1
    assert "Not there yet" not in text
    assert "Not readable" not in text


def test_the_page_shows_cliffs_shot_plan_samples_and_budget(html: str) -> None:
    text = Page(html).text
    for figure in (
        *("one job per circuit", "2 devices", "submit as program-sets", "MLP reaches 98.7 %"),
        *("at most 1.0 % flipped labels", "24 + 136", "6.63", "31.97"),
        *("5 points needs 201 inferences for 80.0 % power, 299 inferences for 95.0 % power", "222.88"),
        *("The best use of 50.00 USD", "371", "49.95", "the test set has 72 samples"),
        *(
            "seen from 20.0 s to 23.3 min",
            "unknown, no public figure",
            "against the policy: max_usd 50.00 USD",
        ),
        *("not priced: OQC", "not chosen: not confirmed on this device", "12.80–19.20", "rule of thumb"),
    ):
        assert figure in text, figure
    assert html.count("detectable loss, percentage points") == 1, "the Pareto plot"


def test_the_table_of_devices_shows_one_plan_each(html: str) -> None:
    (devices,) = re.findall(r"<table[^>]*>\s*<thead><tr><th>device</th>.*?</table>", html, re.DOTALL)[:1]
    text = Page(devices).text
    assert text.count("program-sets") == 3 and "50.04" not in text


@WORDS_ONLY
def test_training_on_a_qpu_is_not_called_inference(run_dir: Path) -> None:
    steps = {"epochs": 30, "batch": 16, "rows": 230, "validation": 58, "gradient": "spsa"}
    steps["circuits_per_sample"] = 3
    training = {"training": steps, "unit": "sample·epoch", "mitigation": "zne=1,3 readout"}
    edit(
        run_dir / "estimates" / "20260301-100500.json",
        lambda found: found.update(training | {"contracts": {"ibm": "flex"}}),
    )
    text = Page(written(run_dir)).text
    assert "; 30 epochs of training cost 10.74 USD" in text
    assert "30 epochs of 230 samples in batches of 16, spsa with 3 circuits a sample and epoch" in text
    assert (
        "qcli estimate-cost RUN --shots 512 --training --gradient spsa --epochs 30 --batch 16 --samples 230 "
        "--mitigation zne=1,3 --mitigation readout --contract ibm=flex"
    ) in text


def test_the_page_says_how_to_repeat_it(html: str) -> None:
    text = Page(html).text
    assert (
        "qcli train qcnn --data digits:0,1 --epochs 30 --batch 16 --lr 0.01 --optimizer adam --seed 0 "
        "--seeds 3 --patience 10 --test-size 0.2 --set wires=8 --set shared=True"
    ) in text
    assert "qcli estimate-cost RUN --inferences 48 --shots 512" in text
    assert (
        "qcli validate-on-hardware RUN --device emulator/garnet --inferences 48 --shots 512 --seed 0" in text
    )


def test_an_estimate_has_a_page_of_its_own() -> None:
    page = Page(estimate_page(example.estimate()))
    assert {"qcli estimate-cost", "The arithmetic, line by line", "Sources"} <= set(page.words)
    assert "24,576" in page.text and "35.63520" not in page.text and "35.6352" in page.text


def test_a_figure_that_is_missing_is_named_and_no_page_made() -> None:
    content = example.estimate()
    del content["rows"][1]["plans"][0]["usd"]
    with pytest.raises(QcliError, match=r"rows\.1\.plans\.0\.usd"):
        estimate_page(content)


@pytest.mark.parametrize("alone", [False, True], ids=["report", "estimate"])
def test_the_page_needs_no_network_and_no_script(html: str, alone: bool) -> None:
    html = estimate_page(example.estimate()) if alone else html
    page = Page(html)
    assert page.tags.isdisjoint({"script", "link", "iframe", "img", "object"})
    references = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "action")]
    assert all(value.startswith("#") for value in references)
    assert re.findall(r"url\((?!#)|@import", html) == []
    assert not [name for name, _ in page.attributes if name.startswith("on")]


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def test_whatever_comes_from_a_file_is_escaped(run_dir: Path) -> None:
    hardware = run_dir / "hardware" / "emulator-garnet"

    def everywhere(content: object) -> None:
        pairs = (
            content.items()
            if isinstance(content, dict)
            else enumerate(content)
            if isinstance(content, list)
            else ()
        )
        for key, value in list(pairs):
            money = isinstance(value, str) and re.fullmatch(r"[\d.]+", value)
            if isinstance(value, str) and not money and key not in ("schema", "optimizer"):
                content[key] = HOSTILE  # type: ignore[index]
            everywhere(value)

    for path in (run_dir / "run.json", run_dir / "metrics.json", hardware / "assessment.json"):
        edit(path, everywhere)
    for path in (*run_dir.glob("estimates/*.json"), *run_dir.glob("forecasts/*.json")):
        edit(path, everywhere)
    edit(run_dir / "run.json", lambda run: run["model"]["options"].update({HOSTILE: HOSTILE}))
    label = "0,0," + HOSTILE.replace('"', "") + ",0,"
    (hardware / "samples.csv").write_text(example.samples().replace("0,0,0,0,", label))
    html = written(run_dir)
    page = Page(html)
    assert "Not readable" not in page.text
    assert page.tags.isdisjoint({"script", "img"})
    assert "<script>alert(1)</script>" in page.text
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_control_characters_and_half_characters_do_no_harm(run_dir: Path) -> None:
    (run_dir / "history.jsonl").unlink()
    shutil.rmtree(run_dir / "estimates")
    edit(run_dir / "run.json", lambda run: run["model"].update(name="q\x00c\x1b[31m\ud800n"))
    edit(run_dir / "hardware/emulator-garnet/assessment.json", lambda found: found.update(device="a\x01b"))
    html = written(run_dir)
    assert "q�c�[31m�n on digits:0,1" in html
    assert "⟨Z⟩ on a�b (dimensionless)" in html


@WORDS_ONLY
def test_whatever_comes_from_a_vendor_is_escaped(run_dir: Path) -> None:
    folder = example.add_measured(run_dir)
    hostile = {"device": HOSTILE, "mitigation": [HOSTILE], "calibrations": [HOSTILE, "2026-02-19"]}
    hostile |= {"device_options": {HOSTILE: HOSTILE}, "adaptive": example.stages(unit=HOSTILE)}
    edit(folder / "assessment.json", lambda found: found.update(hostile))
    edit(folder / "assessment.json", lambda found: found["drop"].update(readout_basis=HOSTILE))
    edit(folder / "assessment.json", lambda found: found["cost"].update(plan=HOSTILE, real_plan=HOSTILE))
    edit(folder / "validation.json", lambda asked: asked.update(contracts={HOSTILE: HOSTILE}))
    html = written(run_dir)
    page = Page(html)
    assert "Not readable" not in page.text
    assert page.tags.isdisjoint({"script", "img"})
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    device = Page(html[html.index('<section id="device">') : html.index('<section id="repeat">')]).text
    for what in (
        *(f"{HOSTILE}: 48 inferences", f"plan {HOSTILE}, 3 tasks", f"{HOSTILE}, 2026-02-19"),
        *(f"another label ({HOSTILE})", f"50.0 % {HOSTILE}", "unmitigated 93.8 %"),
    ):
        assert what in device, what


def test_the_same_content_gives_the_same_bytes(html: str, run_dir: Path) -> None:
    assert written(run_dir) == html
    assert [path.name for path in run_dir.iterdir() if path.name.startswith(".")] == []


@WORDS_ONLY
def test_run_json_alone_makes_a_page_that_says_what_is_missing(tmp_path: Path) -> None:
    run_dir = tmp_path / "bare"
    run_dir.mkdir()
    (run_dir / "run.json").write_text(json.dumps(example.run()))
    text = Page(written(run_dir)).text
    assert "qcnn has not finished training." in text
    for name in (
        "history.jsonl",
        "metrics.json",
        "estimates/*.json",
        "forecasts/*.json",
        "hardware/*/assessment.json",
    ):
        assert name in text
    assert "qcli estimate-cost RUN" in text


@WORDS_ONLY
@pytest.mark.parametrize("content", [None, "", "{", '{"schema": "other"}', '{"schema": "qcli.run/1"}', "[]"])
def test_without_a_sound_run_json_there_is_no_report(run_dir: Path, content: str | None) -> None:
    write_report(run_dir)
    before = (run_dir / "report.html").read_bytes()
    (run_dir / "run.json").unlink()
    if content is not None:
        (run_dir / "run.json").write_text(content)
    with pytest.raises(QcliError, match=r"run\.json|model") as caught:
        write_report(run_dir)
    assert caught.value.where
    assert caught.value.fix
    assert (run_dir / "report.html").read_bytes() == before


BROKEN = {
    "metrics.json cut": ("metrics.json", '{"schema": "qcli.metrics/1", "se'),
    "metrics.json foreign": ("metrics.json", '{"schema": "qcli.metrics/9"}'),
    "metrics.json without seeds": ("metrics.json", '{"schema": "qcli.metrics/1"}'),
    "metrics.json binary": ("metrics.json", b"\xff\xfe\x00"),
    "metrics.json nested": ("metrics.json", "[" * 100_000),
    "history cut": ("history.jsonl", '{"seed": 0, "epoch": 1, "loss": 0.5}\n{"seed": 0, "ep'),
    "history binary": ("history.jsonl", b"\xff\xfe"),
    "estimate cut": ("estimates/20260301-100500.json", '{"schema"'),
    "estimate money": (
        "estimates/20260301-100500.json",
        '{"schema": "qcli.estimate/1", "inferences": 1, "shots": 1, '
        '"rows": [{"device": "d", "fits": true, "plans": [{"name": "job", "usd": "1e999999"}]}]}',
    ),
    "forecast cut": ("forecasts/ibm-fez.json", '{"schema": "qcli.forecast/1", "dev'),
    "forecast foreign": ("forecasts/ibm-fez.json", '{"schema": "qcli.estimate/1"}'),
    "forecast without figures": ("forecasts/new.json", '{"schema": "qcli.forecast/1", "device": "d"}'),
    "assessment empty": ("hardware/emulator-garnet/assessment.json", ""),
    "assessment contradicts itself": (
        "hardware/emulator-garnet/assessment.json",
        json.dumps(example.measured(raw=example.compared(40, 8, 0.2))),
    ),
    "validation cut": ("hardware/emulator-garnet/validation.json", "{"),
    "samples half mitigated": (
        "hardware/emulator-garnet/samples.csv",
        "index,label,simulated,measured,flipped,z_sim_0,z_dev_0,z_sim_1,z_dev_1,z_raw_0\n0,0,0,0,False,1,1,1,1,1\n",
    ),
    "samples text": ("hardware/emulator-garnet/samples.csv", "index,label,simulated,measured,flipped\n0,0"),
    "samples foreign": ("hardware/emulator-garnet/samples.csv", "a,b\n1,2\n"),
    "samples not a number": (
        "hardware/emulator-garnet/samples.csv",
        "index,label,simulated,measured,flipped,z_sim_0,z_dev_0\n0,0,0,0,False,x,0.5\n",
    ),
    "samples binary": ("hardware/emulator-garnet/samples.csv", b"\xff\xfe\x00\x01"),
}


@WORDS_ONLY
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_and_the_rest_still_shown(run_dir: Path, case: str) -> None:
    name, content = BROKEN[case]
    (run_dir / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    html = written(run_dir)
    problems = re.search(r'<div class="problems">(.*?)</div>', html, re.DOTALL)
    assert problems
    assert problems[1].count("<li>") == 1
    assert name in problems[1]
    assert "583 trainable parameters" in Page(html).text


@WORDS_ONLY
def test_a_folder_where_a_file_belongs_is_named(run_dir: Path) -> None:
    (run_dir / "metrics.json").unlink()
    (run_dir / "metrics.json").mkdir()
    assert "metrics.json: IsADirectoryError" in Page(written(run_dir)).text


@WORDS_ONLY
def test_the_latest_readable_estimate_is_shown(run_dir: Path) -> None:
    older = example.estimate() | {"created": "2026-02-01T00:00:00+00:00", "inferences": 7}
    (run_dir / "estimates" / "z.json").write_text(json.dumps(older))
    (run_dir / "estimates" / "zz.json").write_text("{")
    text = Page(written(run_dir)).text
    assert "48 inferences" in text
    assert "7 inferences" not in text
    assert "estimates/zz.json" in text


@WORDS_ONLY
def test_a_real_device_comes_first_with_what_it_cost(run_dir: Path) -> None:
    example.add_measured(run_dir)
    html = written(run_dir)
    answer = re.search(r'<p class="answer">(.*?)</p>', html)
    assert answer and answer[1].startswith(
        "97.9 % accuracy in simulation, 95.8 % on braket/garnet (−2.1 points, 95 % interval −14.6 to +2.1, "
        "for 38.02 USD), 93.8 % on emulator/garnet (−4.2 points, 95 % interval −10.4 to +2.1); forecast on"
    )
    titles = re.findall(r"<h3>(.*?)</h3>", html[html.index('<section id="device">') :])
    assert titles == [
        "braket/garnet: 48 inferences × 512 shots",
        "emulator/garnet: 48 inferences × 512 shots",
    ]
    assert html.count("No QPU was used") == 1, "of the rehearsal"


@WORDS_ONLY
def test_the_page_shows_forecast_raw_and_mitigated_results_and_where_error_time_and_money_went(
    run_dir: Path,
) -> None:
    example.add_measured(run_dir)
    html = written(run_dir)
    text = Page(html[html.index('<section id="device">') : html.index('<section id="repeat">')]).text
    for figure in (
        *("simulation 97.9 % 89.1–99.6 %", "forecast 95.5 % 92.0–98.5 % −2.4 −5.9 to +0.6"),
        *("unmitigated 93.8 %", "readout 95.8 %", "5 of 48 3, 1 0.375 0.123", "3 of 48 2, 1 0.375 0.041"),
        "unmitigated accuracy lies inside the forecast's 90 % interval",
        *("from readout 50.0 % by the readout errors measured", "from shot noise 12.5 %", "the rest 37.5 %"),
        *(
            "queue and QPU 2.50 s",
            "return 600 ms",
            "cost of this run 38.02 USD",
            "against the estimate +0.30 USD",
        ),
        *("per inference 0.7921 USD", "per correct inference 0.8265 USD", "canary passed", "1 failed task"),
        "calibration 2026-02-18, 2026-02-19",
        *("⟨Z0⟩ simulated ⟨Z0⟩ unmitigated ⟨Z0⟩ mitigated",),
    ):
        assert figure in text, figure


@WORDS_ONLY
def test_adaptive_shots_are_on_the_page_with_what_they_saved(run_dir: Path) -> None:
    path = run_dir / "hardware" / "emulator-garnet" / "assessment.json"
    path.write_text(json.dumps(example.rehearsed_adaptively()))
    text = Page(written(run_dir)).text
    assert "emulator/garnet: 48 inferences × 24 shots, 136 more where the label is unclear" in text
    assert "512 shots each, a task a circuit 50.04 USD adaptive shots save 92.0 %" in text


@WORDS_ONLY
def test_the_page_says_how_to_measure_again(run_dir: Path) -> None:
    folder = example.add_measured(run_dir)
    assert (
        "qcli validate-on-hardware RUN --device braket/garnet --inferences 48 --shots 512 --mitigation readout "
        "--repetition 2 --contract braket=on-demand --plan program-sets --canary 4 --max-cost 40"
    ) in Page(written(run_dir)).text
    edit(folder / "assessment.json", lambda found: found.update(adaptive=example.stages(), canary=None))
    edit(folder / "validation.json", lambda asked: asked.update(max_flips=0.02, vendor_compile=True))
    assert (
        "--adaptive --max-flips 0.02 --repetition 2 --vendor-compile --contract braket=on-demand "
        "--plan program-sets --no-canary --max-cost 40"
    ) in Page(written(run_dir)).text
    (folder / "validation.json").unlink()
    text = Page(written(run_dir)).text
    assert "--mitigation readout --adaptive --plan program-sets --no-canary --max-cost 40" in text
    assert "validation.json" not in text, "older folders have none"


@WORDS_ONLY
def test_the_page_says_how_to_run_a_pennylane_device_again(run_dir: Path) -> None:
    found = example.assessment("pennylane:lightning.qubit") | {"device_options": {"seed": 7, "c_dtype": "x"}}
    path = run_dir / "hardware" / "emulator-garnet" / "assessment.json"
    path.write_text(json.dumps(found))
    asked = "--device pennylane:lightning.qubit --inferences 48 --shots 512 --device-option seed=7"
    assert f"{asked} --device-option c_dtype=x" in Page(written(run_dir)).text
    path.write_text(json.dumps(found | {"cost": None}))
    assert f"{asked} --device-option c_dtype=x --unpriced" in Page(written(run_dir)).text


@WORDS_ONLY
def test_a_measurement_stands_beside_the_forecast_as_such(run_dir: Path) -> None:
    example.add_measured(run_dir)
    html = written(run_dir)
    text = Page(html[html.index('<section id="forecast">') : html.index('<section id="device">')]).text
    assert "measured: 93.8 % of 48 on braket/garnet rehearsed: 93.8 % of 48 on emulator/garnet" in text


@WORDS_ONLY
def test_several_devices_stand_side_by_side(run_dir: Path) -> None:
    other = run_dir / "hardware" / "emulator-fez"
    other.mkdir()
    (other / "assessment.json").write_text(json.dumps(example.assessment("emulator/fez")))
    text = Page(written(run_dir)).text
    assert "97.9 % accuracy in simulation, 93.8 % on emulator/fez (−4.2 points" in text
    assert "), 93.8 % on emulator/garnet (−4.2 points" in text
    assert "hardware/emulator-fez/samples.csv" in text, "its samples are missing, and that is said"


@WORDS_ONLY
@pytest.mark.parametrize(
    ("online", "answer"),
    [
        (
            {"braket/garnet"},
            "48 inferences cost 35.94 USD on braket/garnet, the only online QPU compiled for.",
        ),
        (
            {"braket/ibex-q1", "braket/forte-1", "ibm/phoenix"},
            "48 inferences were compiled for no device that is online.",
        ),
    ],
)
def test_only_devices_that_are_online_and_compiled_for_count_in_the_answer(
    run_dir: Path, online: set[str], answer: str
) -> None:
    def switch_off(estimate: dict) -> None:
        for row in estimate["rows"]:
            row["status"] = "online" if row["device"] in online else "offline"

    edit(run_dir / "estimates" / "20260301-100500.json", switch_off)
    assert answer in written(run_dir)


@WORDS_ONLY
def test_before_any_rehearsal_the_answer_is_the_test_accuracy(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "hardware")
    assert (
        "qcnn on digits:0,1: 98.6 % test accuracy in simulation (95 % interval 92.5–99.8 %), "
        "not yet rehearsed on a device; forecast on 3 devices"
    ) in written(run_dir)


def test_the_page_has_a_section_on_forecasts_between_cost_and_device(html: str) -> None:
    sections = re.findall(r'<section id="(\w+)">', html)
    assert sections[sections.index("cost") :][:3] == ["cost", "forecast", "device"]
    text = Page(html[html.index('<section id="forecast">') : html.index('<section id="device">')]).text
    for figure in (
        *("87.9–98.2 %", "−0.3 to 10.0", "96.7 %", "199 days, stale", "braket/garnet", "48 × 512 shots"),
        *(
            "rehearsed: 93.8 % of 48 on emulator/garnet",
            "Believe the forecast.",
            "and 0.5 (readout, of zeros 0.25): fitted on 68",
        ),
        *(
            "mean |error| of outputs (dimensionless)",
            "61.4 %",
            "−0.80",
            "first two-qubit gates: fewer layers",
        ),
        *("readout: regains 2.1 points", "+35.64", "not offered on Braket devices"),
    ):
        assert figure in text, figure


@WORDS_ONLY
def test_forecasts_of_the_estimate_are_shown_for_devices_without_a_file(run_dir: Path) -> None:
    (run_dir / "estimates" / "20260301-100500.json").write_text(json.dumps(example.foreseen_estimate()))
    (run_dir / "forecasts" / "ibm-fez.json").unlink()
    html = written(run_dir)
    text = Page(html[html.index('<section id="forecast">') : html.index('<section id="device">')]).text
    assert "ibm/boston 512 shots, from the estimate" in text
    assert "rehearsed: 93.8 % of 48 on emulator/garnet its record also for braket/emerald" in text
    assert "96 (90–100)" in Page(html).text, "beside its bill"
    assert "the cheapest device predicted to lose at most 5 points" in Page(html).text
    assert "qcli estimate-cost RUN --inferences 48 --shots 512 --max-degradation 5" in Page(html).text


@WORDS_ONLY
def test_one_forecast_is_named_in_the_answer(run_dir: Path) -> None:
    for name in ("ibm-fez", "braket-forte-enterprise-1"):
        (run_dir / "forecasts" / f"{name}.json").unlink()
    html = written(run_dir)
    assert "; forecast on braket/garnet: 94.1 % (87.9–98.2 %); 48 inferences cost" in html
    assert (
        "qcli forecast RUN --device braket/garnet --inferences 48 --shots 512 --date 2026-09-05 --why --mitigation"
    ) in html


@WORDS_ONLY
def test_without_forecasts_the_page_says_how_to_make_one(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "forecasts")
    text = Page(written(run_dir)).text
    assert "qcli forecast RUN makes one" in text
    assert "Not there yet: forecasts/*.json" in text

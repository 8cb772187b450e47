"""One page that says what a run directory found: report.html, complete in itself."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcli.files import write_atomic
from qcli.report import (
    assessments,
    bills,
    forecast_page,
    headline,
    noise_aware,
    plots,
    spending,
    text,
    view,
)
from qcli.report.assessment_facts import fact_groups
from qcli.report.estimate_inputs import Estimate
from qcli.report.folder import RunFolder, Validation, read_run
from qcli.report.inputs import NoiseAware
from qcli.report.parse import parse

if TYPE_CHECKING:
    import jinja2

SHOWN_SAMPLES = 500
"""Lines of samples.csv on the page; a browser bears more, a reader does not."""

BASIS = {
    "contract": "your own contract",
    "published": "read in the provider's own text or data",
    "transcribed": "read in somebody else's copy of the provider's text",
    "measured": "observed in runs, or fitted to public measurements",
    "fitted": "from a model fitted to measurements",
    "assumed": "ours, for want of a public figure: an order of magnitude",
}


def write_report(run_dir: Path) -> Path:
    """Write report.html into `run_dir` from whatever it holds; the same content gives the same bytes.

    Returns:
        The path of the page.

    Raises:
        QcliError: run.json is missing or unreadable. Any other missing or broken file is named on the page.
    """
    path = run_dir / "report.html"
    write_atomic(path, render(read_run(run_dir)))
    return path


def render(folder: RunFolder) -> str:
    """The page as text."""
    return templates().get_template("template.html").render(content_of(folder))


def estimate_page(estimate: Mapping[str, Any]) -> str:
    """A page of its own for the content of a file in estimates/.

    Raises:
        QcliError: a figure is missing.
    """
    content = parse(Estimate, estimate, "estimate")
    return templates().get_template("estimate.html").render(_cost(content))


@cache
def templates() -> "jinja2.Environment":
    """Those in this folder; whatever they show is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"exact": text.exact, "count": text.count, "number": text.number}
    environment.filters |= {"percent": text.percent, "duration": text.duration, "usd": text.usd}
    return environment


def content_of(folder: RunFolder) -> dict[str, Any]:
    """What the templates of a run's sections show."""
    from markupsafe import Markup

    run, metrics, estimate = folder.run, folder.metrics, folder.estimate
    parameters = run.parameters.total if run.parameters else None
    return {
        "folder": folder,
        "run": run,
        "headline": headline.headline(folder),
        "commands": headline.commands(folder),
        "metrics": metrics,
        "tuned": _tuned(metrics.noise_aware) if metrics and metrics.noise_aware else None,
        "metrics_rows": view.metrics_rows(metrics, run.model.name, parameters) if metrics else [],
        "training_plot": Markup(
            plots.training_curves(folder.history, metrics.chosen_seed if metrics else None)
            if folder.history
            else ""
        ),
        "estimate": None,
        **(_cost(estimate) if estimate else {}),
        **forecast_page.content(folder),
        "validations": [_validation(validation) for validation in folder.validations],
        "compared_header": assessments.HEADER,
        "shown_samples": SHOWN_SAMPLES,
    }


def _tuned(content: NoiseAware) -> dict[str, Any]:
    return {
        "title": noise_aware.tuned_title(content),
        "header": ("weights", *noise_aware.HEADERS),
        "rows": noise_aware.tuned_rows(content),
        "verdict": content.verdict,
        "notes": noise_aware.tuned_notes(content),
    }


def _cost(estimate: Estimate) -> dict[str, Any]:
    from markupsafe import Markup

    devices = bills.estimate_rows(estimate)
    return {
        "estimate": estimate,
        "estimate_title": bills.estimate_title(estimate),
        "devices": devices,
        "each": bills.each(estimate),
        "cost_plot": Markup(plots.cost_bars(estimate)),
        "basis": [(word, BASIS[word]) for word in BASIS if word in _bases(devices)],
        "forecast_header": bills.FORECAST_HEADER,
        "forecast_legend": bills.forecast_legend(estimate),
        "cliffs": bills.cliff_rows(estimate),
        "shots": spending.shot_rows(estimate),
        "shot_header": spending.shot_header(estimate),
        "shot_title": spending.shot_title(estimate) if estimate.shot_plans else "",
        "shot_legend": spending.SHOT_LEGEND,
        "compared": spending.compared_text(estimate.compared) if estimate.compared else "",
        "detect_header": spending.detect_header(estimate) if estimate.detect else [],
        "detect_rows": spending.detect_rows(estimate) if estimate.detect else [],
        "budget_header": spending.BUDGET_HEADER,
        "budget_rows": spending.budget_rows(estimate) if estimate.budget else [],
        "pareto_plot": Markup(plots.pareto(estimate)),
    }


def _bases(devices: list[bills.DeviceRow]) -> set[str]:
    return {device.time_basis for device in devices} | {device.price_basis for device in devices}


def _validation(validation: Validation) -> dict[str, Any]:
    from markupsafe import Markup

    assessment, samples = validation.assessment, validation.samples
    scatter = plots.expectation_scatter(samples, assessment.device) if samples else ""
    return {
        "folder": validation.folder,
        "assessment": assessment,
        "title": assessments.title(assessment),
        "compared": assessments.compared_rows(assessment),
        "legend": assessments.legend(assessment),
        "readings": assessments.readings(assessment),
        "groups": fact_groups(assessment),
        "scatter": Markup(scatter),
        "samples": samples,
        "observables": max((len(sample.z_simulated) for sample in samples), default=0),
        "mitigated": any(sample.z_raw for sample in samples),
    }

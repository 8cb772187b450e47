"""One page that joins the stages of a progression: report.html, complete in itself."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from qcli.files import write_atomic
from qcli.progress.plan import Progression
from qcli.progress.run import folder_of
from qcli.report import plots, search_page, text
from qcli.report.folder import RunFolder
from qcli.report.html import content_of, templates
from qcli.report.parse import printable
from qcli.report.progress import TITLES
from qcli.report.progress_folder import Bill, ProgressFolder, StageRead, read_progress

WORDS = {
    "not begun": "not begun",
    "begun": "begun, not finished",
    "passed": "passed",
    "stopped": "gate not met",
    "dry run": "dry run",
}
DO = {
    "laptop": "A small training on this machine: does it learn, do its circuits fit, what would the last stage cost?",
    "hpc": "The search, its best again with several seeds, the final training, and what it is worth on the targets.",
    "qpu": "The validation on a device, against what was forecast.",
}


def write_progress_report(plan: Progression) -> Path:
    """Write report.html into the folder of a progression from whatever it holds.

    Returns:
        The path of the page. What is missing or cannot be read is named on it.
    """
    path = folder_of(plan).path / "report.html"
    page = render(plan, read_progress(plan))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, page)
    return path


def render(plan: Progression, folder: ProgressFolder) -> str:
    """The page as text."""
    return templates().get_template("progress.html").render(_content(plan, folder))


def headline(folder: ProgressFolder) -> str:
    """Where a progression stands."""
    sentence = _standing(folder)
    return sentence[0].upper() + sentence[1:]


def _standing(folder: ProgressFolder) -> str:
    states = {stage.stage: stage.state for stage in folder.stages}
    passed = [TITLES[stage.stage] for stage in folder.stages if stage.state == "passed"]
    done = f"{text_list(passed)} passed; " if passed else ""
    if len(passed) == len(folder.stages):
        return f"All stages passed. {_validated(folder)}"
    for stage in folder.stages:
        title = TITLES[stage.stage]
        if stage.state == "stopped":
            missed = [check for check in stage.checks if not check.met]
            what = "; ".join(f"{each.name}: {each.measured}, asked {each.asked}" for each in missed)
            return f"{done}stopped at {title}, whose gate is not met: {what}."
        if stage.state == "dry run":
            usd, device = stage.facts.usd_high, stage.facts.device
            return (
                f"{done}{title} was a dry run, nothing was submitted: {device or 'the device'} would cost at most "
                f"{text.usd(usd)} USD."
            )
        if stage.state == "begun":
            return f"{done}{title} has begun and not finished: it is under way, or was interrupted."
        if stage.state not in WORDS:
            return f"{done}what became of {title} cannot be read."
        if stage.state == "not begun" and "begun" not in states.values():
            return f"{done}{title} has not begun." if passed else "The progression has not begun."
    return "The progression has not begun."


def _validated(folder: ProgressFolder) -> str:
    facts = folder.stage("qpu").facts
    if facts.accuracy is None:
        return ""
    simulated = f", {text.percent(facts.simulated.value)} in simulation" if facts.simulated else ""
    foreseen = (
        f", forecast {text.percent_range(facts.forecast.low, facts.forecast.high)}" if facts.forecast else ""
    )
    paid = f", for {text.usd(facts.usd)} USD" if facts.usd else ""
    return f"{text.percent(facts.accuracy.value)} accuracy on {facts.device}{simulated}{foreseen}{paid}."


def text_list(words: list[str]) -> str:
    """`Laptop`, `Laptop and HPC`, `Laptop, HPC and QPU`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _next(folder: ProgressFolder) -> str:
    """The command that goes on; `FILE.toml` stands for the progression's file."""
    states = [stage.state for stage in folder.stages]
    if "begun" in states:
        return "qcli progress resume FILE.toml"
    return "" if all(state == "passed" for state in states) else "qcli progress run FILE.toml"


def _content(plan: Progression, folder: ProgressFolder) -> dict[str, Any]:
    laptop, hpc = folder.stage("laptop"), folder.stage("hpc")
    final = content_of(folder.final) if folder.final else {}
    return final | {
        "title": printable(f"{Path(plan.model).stem} on {plan.data}"),
        "where": folder.name,
        "answer": headline(folder),
        "next": _next(folder),
        "broken_parts": folder.broken,
        "missing_parts": folder.missing,
        "edited": [TITLES[name] for name in folder.edited],
        "stages": [_stage(stage) for stage in folder.stages],
        "money": text.usd(sum((stage.facts.usd or Decimal(0) for stage in folder.stages), Decimal(0))),
        "time": sum(stage.seconds for stage in folder.stages),
        "asked_rows": _asked(plan),
        "plan_text": _plan_text(plan),
        "laptop": _laptop(laptop, folder.laptop),
        "search": search_page.content(folder.search) if folder.search else None,
        "seeds": search_page.seeds_content(folder.seeds, hpc.facts.point) if folder.seeds else None,
        "searched": bool(plan.space),
        "final": folder.final is not None,
        "run_heading": "The final run",
        "run_answer": final.get("headline", ""),
    }


def _stage(stage: StageRead) -> dict[str, Any]:
    work = sum(part.seconds for part in stage.parts)
    return {
        "name": stage.stage,
        "title": TITLES[stage.stage],
        "does": DO[stage.stage],
        "state": WORDS.get(stage.state, stage.state),
        "warn": stage.state not in ("passed", "not begun", "dry run"),
        "trials": [f"{part.name}: {_counts(part.trials)}" for part in stage.parts if part.trials],
        "work": text.duration(work) if work else "",
        "jobs": _counts(stage.jobs),
        "time": text.duration(stage.seconds) if stage.seconds else text.NONE,
        "usd": text.usd(stage.facts.usd),
        "checks": stage.checks,
    }


def _counts(found: Mapping[str, int]) -> str:
    names = {"open": "not finished"}
    return ", ".join(f"{count:,} {names.get(word, word)}" for word, count in sorted(found.items()))


def _asked(plan: Progression) -> list[tuple[str, str]]:
    limits = plan.limits
    wanted = [f"baselines: {limits.baselines}"] if limits.baselines != "any" else []
    if limits.min_accuracy is not None:
        wanted.append(f"test accuracy at least {text.percent(limits.min_accuracy)}")
    if limits.max_degradation is not None:
        wanted.append(f"forecast degradation at most {limits.max_degradation:g} points")
    if limits.budget is not None:
        wanted.append(f"at most {text.usd(limits.budget)} USD for the last stage")
    rows = [
        ("model", " ".join([plan.model, *(f"{key}={value}" for key, value in plan.options.items())])),
        ("data", plan.data + (f", target {plan.target}" if plan.target else "")),
        ("targets", ", ".join(plan.targets)),
        ("last stage", f"{plan.inferences:,} inferences of {plan.shots:,} shots on {plan.qpu.device}"),
        ("limits", "; ".join(wanted) or "none"),
        ("seed", str(plan.seed)),
    ]
    return [(name, printable(value)) for name, value in rows]


def _plan_text(plan: Progression) -> str:
    """All settings, without the URL of a database, which may hold a password."""
    content = plan.model_dump(mode="json", exclude={"hpc": {"storage"}}, exclude_none=True)
    return json.dumps(printable(content), indent=1, ensure_ascii=False)


def _laptop(stage: StageRead, run: RunFolder | None) -> dict[str, Any]:
    from markupsafe import Markup

    facts = stage.facts
    curves = plots.training_curves(run.history, name="laptop") if run and run.history else ""
    return {
        "plot": Markup(curves),
        "facts": _laptop_facts(stage, run),
        "bills": [_bill(bill) for bill in facts.bills],
    }


def _laptop_facts(stage: StageRead, run: RunFolder | None) -> list[tuple[str, str, str]]:
    """Name, value, remark."""
    facts, rows = stage.facts, []
    if facts.samples is not None:
        rows.append(("samples", text.count(facts.samples), "stratified by class, split as the full data"))
    if len(facts.loss) >= 2:
        change = f"{text.number(facts.loss[0], 4)} → {text.number(facts.loss[-1], 4)}"
        rows.append(("training loss", change, "first and last epoch"))
    if run is not None and run.metrics is not None:
        accuracy = run.metrics.chosen.accuracy
        interval = f"{run.metrics.level} interval {text.percent_range(accuracy.low, accuracy.high)}"
        rows.append(("test accuracy", text.percent(accuracy.value), interval))
    if facts.seconds is not None:
        rows.append(("training time", text.duration(facts.seconds), "on this machine"))
    if (found := facts.gradients) is not None:
        variance = text.NONE if found.variance is None else f"{found.variance:.3g}"
        rows.append(
            (
                "variance of the gradient",
                variance,
                f"of the loss by a quantum weight, over {found.draws} random weights; it vanishes exponentially in the "
                "number of wires on a barren plateau",
            )
        )
        rows.append(("wires", str(found.wires), "of the widest circuit"))
        names = ", ".join(found.unreached)
        rows.append(("weights without a gradient", names or "none", "in any of these draws"))
    return rows


def _bill(bill: Bill) -> tuple[str, str, str, str, str]:
    return (
        bill.device,
        bill.plan or text.NONE,
        text.usd(bill.usd),
        text.usd_range(bill.usd, bill.usd_high) or text.usd(bill.usd_high),
        bill.note,
    )

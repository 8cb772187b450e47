"""`qcli estimate-cost`."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

FORMS = ("table", "json", "csv", "markdown", "html")


def estimate_cost(
    target: Annotated[
        str | None, typer.Argument(metavar="RUN|MODEL", help="A run directory, or a model by name or file.")
    ] = None,
    inferences: Annotated[int, typer.Option(max=10**9, help="Samples to classify.")] = 48,
    shots: Annotated[int, typer.Option(help="Shots per circuit.")] = 512,
    device: Annotated[
        list[str] | None, typer.Option(help="Such as braket/garnet; may be repeated. Default: all.")
    ] = None,
    include_retired: Annotated[
        bool, typer.Option("--include-retired", help="Show devices that no longer exist, too.")
    ] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Option of an untrained model.")
    ] = None,
    features: Annotated[
        int | None, typer.Option(min=1, help="Features of an untrained model; default 64.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=2, help="Classes of an untrained model; default 2.")
    ] = None,
    training: Annotated[
        bool, typer.Option("--training", help="Price training on the device instead of inference.")
    ] = False,
    gradient: Annotated[
        str | None, typer.Option(help="Of --training: parameter-shift (default) or spsa.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of --training; default: the run's, or 30.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Of --training; default: the run's, or 32.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Training samples of --training; default: the run's.")
    ] = None,
    mitigation: Annotated[
        list[str] | None, typer.Option(help="zne=1,3,5, readout, twirl=16 or debias; may be repeated.")
    ] = None,
    hybrid_job: Annotated[
        bool, typer.Option("--hybrid-job", help="Add the instance of an Amazon Braket hybrid job.")
    ] = False,
    per_month: Annotated[
        int, typer.Option(min=1, max=10**6, help="Repetitions of the whole in a month.")
    ] = 1,
    contract: Annotated[
        list[str] | None, typer.Option(metavar="PROVIDER=NAME", help="Such as ibm=flex; may be repeated.")
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A price sheet to lay over qcli's, such as your contract."),
    ] = None,
    max_flips: Annotated[
        float, typer.Option(help="Share of labels that too few shots may flip, for the shot plan.")
    ] = 0.01,
    detect: Annotated[
        float | None,
        typer.Option(metavar="POINTS", help="How many samples show so large a loss of accuracy?"),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="USD", help="What is the best use of so much money?")
    ] = None,
    max_degradation: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS", help="The cheapest device that is predicted to lose no more; exit 4 if none."
        ),
    ] = None,
    forecast: Annotated[
        bool,
        typer.Option("--forecast/--no-forecast", help="Predict a trained run's accuracy on each device."),
    ] = True,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Spending rules; default: the nearest qcli.toml.")
    ] = None,
    breakdown: Annotated[bool, typer.Option("--breakdown", help="Every bill line by line.")] = False,
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B", help="What changed between two runs' last estimates, or two estimate files?"
        ),
    ] = None,
    form: Annotated[str, typer.Option("--format", help="table, json, csv, markdown or html.")] = "table",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Price a workload on every QPU before spending anything; nothing is submitted, no network is used.

    \b
    qcli estimate-cost runs/first
    qcli estimate-cost runs/first --device braket/garnet --breakdown
    qcli estimate-cost runs/first --detect 5 --budget 50
    qcli estimate-cost runs/first --max-degradation 3
    qcli estimate-cost qcnn --inferences 1000 --shots 1024 --mitigation zne=1,3
    qcli estimate-cost qcnn --training --epochs 10 --samples 230
    qcli estimate-cost --diff runs/first runs/second --format markdown
    """
    from qcli.cli.console import note, progress
    from qcli.cli.train import pairs
    from qcli.errors import QcliError
    from qcli.forecast.estimate import estimate_cost as estimate
    from qcli.forecast.estimate import missed
    from qcli.price.estimate import Question, verdict
    from qcli.price.policy import find_policy
    from qcli.price.sheet import load_sheets
    from qcli.price.subject import subject_of, training_of
    from qcli.price.workload import parse_mitigation

    form = "json" if json_ else form
    if form not in FORMS:
        raise QcliError(f"unknown format {form!r}", "--format", f"choose {', '.join(FORMS)}")
    if diff is not None:
        _show_diff(target, diff, form)
        return
    if target is None:
        raise QcliError("nothing to price", "the command line", "name a run directory or a model")
    steps = {"gradient": gradient, "epochs": epochs, "batch": batch, "samples": samples}
    if not training and (named := [f"--{name}" for name, value in steps.items() if value is not None]):
        raise QcliError(f"{', '.join(named)} without --training", "the command line", "add --training")
    contracts = pairs(contract or [], "--contract", "ibm=flex")
    sheets = load_sheets(prices, contracts)
    subject = subject_of(target, pairs(set_ or []), features, classes)
    question = Question(
        inferences=inferences,
        shots=shots,
        training=training_of(subject, gradient or "parameter-shift", epochs, batch, samples)
        if training
        else None,
        mitigation=parse_mitigation(mitigation or []),
        hybrid_job=hybrid_job,
        per_month=per_month,
        contracts=contracts,
        prices=prices,
        policy=find_policy(policy, sheets.devices),
        devices=device or (),
        include_retired=include_retired,
    )
    with progress() as bar:
        task = bar.add_task(
            "tracing", total=len(device or sheets.devices) * (2 + forecast if subject.run else 1)
        )
        result, content = estimate(
            subject,
            question,
            max_flips=max_flips,
            detect=detect,
            budget=_money(budget),
            max_degradation=max_degradation,
            forecast=forecast,
            on_step=lambda step: bar.update(task, advance=1, description=step),
        )
    _show(content, form, breakdown)
    if subject.run and mitigation and not training:
        note("no shot plan: error mitigation changes how shots become estimates")
    if run := subject.run:
        from qcli.report.html import write_report

        note(
            f"report: {write_report(run.path)}\nnext: qcli validate-on-hardware {run.path} --device emulator/garnet"
        )
    if (refusal := verdict(result) or missed(content)) is not None:
        raise refusal


def _money(text: str | None) -> Decimal | None:
    from qcli.errors import QcliError

    try:
        amount = None if text is None else Decimal(text)
    except InvalidOperation:
        raise QcliError(f"a budget of {text!r}", "--budget", "give USD as a number, such as 50") from None
    return amount


def _show(content: dict[str, Any], form: str, breakdown: bool) -> None:
    from qcli.cli.console import answer
    from qcli.report import export, tables
    from qcli.report.html import estimate_page

    match form:
        case "csv":
            print(export.estimate_csv(content), end="")
        case "markdown":
            print(export.estimate_markdown(content), end="")
        case "html":
            print(estimate_page(content))
        case _:
            shown = [tables.estimate_table(content), tables.cliff_table(content)]
            shown += [tables.shot_plan_table(content), *tables.spending_tables(content)]
            shown += tables.breakdown_tables(content) if breakdown else []
            answer(content, [table for table in shown if table is not None], form == "json")


def _show_diff(target: str | None, diff: tuple[str, str], form: str) -> None:
    from qcli.cli.console import answer
    from qcli.errors import QcliError
    from qcli.price.diff import compare, diff_json, last_estimate
    from qcli.report import export, tables

    if target is not None:
        raise QcliError(
            "a target and --diff", "the command line", "leave the target out: --diff takes two estimates"
        )
    found = compare(*(last_estimate(Path(path)) for path in diff))
    match form:
        case "csv":
            print(export.diff_csv(found), end="")
        case "markdown":
            print(export.diff_markdown(found), end="")
        case "html":
            raise QcliError(
                "a difference has no HTML form", "--format", "choose table, json, csv or markdown"
            )
        case _:
            answer(diff_json(found), [tables.diff_table(found)], form == "json")

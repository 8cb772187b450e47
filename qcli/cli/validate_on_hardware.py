"""`qcli validate-on-hardware`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from decimal import Decimal

    from qcli.assess.question import Spending


def validate_on_hardware(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    device: Annotated[
        str,
        typer.Option(
            help="sim, sampled, emulator/garnet; braket/garnet, ibm/fez; pennylane:NAME for any PennyLane device."
        ),
    ],
    inferences: Annotated[
        int | None, typer.Option(help="Test samples to use; default 48, or all if fewer.")
    ] = None,
    shots: Annotated[int, typer.Option(help="Shots per circuit.")] = 512,
    max_cost: Annotated[
        str | None,
        typer.Option(
            metavar="USD",
            help="Submit, and never let this run cost more on this device, earlier invocations included.",
        ),
    ] = None,
    submit: Annotated[
        bool, typer.Option("--submit", help="Show the bill, ask, and then submit for at most that.")
    ] = False,
    adaptive: Annotated[
        bool,
        typer.Option(
            "--adaptive", help="Few shots for all samples, more only where the label hangs on them."
        ),
    ] = False,
    max_flips: Annotated[
        float | None,
        typer.Option(
            help="With --adaptive: share of labels that shot noise may flip; default: as few as --shots would."
        ),
    ] = None,
    mitigation: Annotated[
        list[str] | None,
        typer.Option(
            help="readout, zne=1,3; on hardware also debias (IonQ), trex, twirl=16, dd=XpXm (IBM). May be repeated."
        ),
    ] = None,
    canary: Annotated[
        int | None,
        typer.Option(
            help="Samples that are compared with the forecast before the rest is submitted; default 4."
        ),
    ] = None,
    no_canary: Annotated[bool, typer.Option("--no-canary", help="Submit everything at once.")] = False,
    plan: Annotated[
        str | None,
        typer.Option(
            help="separate, program-sets or parametrised (Braket); job, batch, session or separate (IBM). "
            "Default: the cheapest."
        ),
    ] = None,
    vendor_compile: Annotated[
        bool,
        typer.Option("--vendor-compile", help="Let Braket's compiler map the circuit; default: verbatim."),
    ] = False,
    repetition: Annotated[
        int, typer.Option(min=0, help="Another number measures everything anew, at its own cost.")
    ] = 0,
    recalibrate: Annotated[
        bool, typer.Option("--recalibrate", help="Resume with circuits compiled for today's calibration.")
    ] = False,
    pay_again: Annotated[
        bool, typer.Option("--pay-again", help="Submit circuits anew whose results came damaged.")
    ] = False,
    contract: Annotated[
        list[str] | None, typer.Option(metavar="PROVIDER=NAME", help="Such as ibm=flex. May be repeated.")
    ] = None,
    device_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="pennylane: option of the device, such as device_arn=arn:aws:braket:::device/… May be repeated.",
        ),
    ] = None,
    unpriced: Annotated[
        bool,
        typer.Option(
            "--unpriced", help="pennylane: run although qcli can neither price nor cap what it costs."
        ),
    ] = False,
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Spending rules on real devices; default: the nearest qcli.toml."),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="AWS: profile of your configuration.")] = None,
    s3: Annotated[
        str | None,
        typer.Option(metavar="BUCKET[/PREFIX]", help="AWS: where results go; default: Braket's own."),
    ] = None,
    account: Annotated[str | None, typer.Option(help="IBM: name of a saved account.")] = None,
    instance: Annotated[str | None, typer.Option(help="IBM: CRN or name of the instance.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of an emulator's sampling.")] = 0,
    engine: Annotated[
        str, typer.Option(help="Simulator to compare with: auto, cpu, torch or lightning.")
    ] = "auto",
    precision: Annotated[str, typer.Option(help="Of its state vectors: float32 or float64.")] = "float32",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Run the same test samples in simulation and on a device: accuracy lost, flips, latency, cost.

    On a real device nothing is submitted without --max-cost or --submit: what would be is shown instead. Whatever is
    submitted is kept in a journal in the run directory; the same command again resumes, and pays nothing twice.

    \b
    qcli validate-on-hardware runs/first --device emulator/garnet
    qcli validate-on-hardware runs/first --device braket/garnet
    qcli validate-on-hardware runs/first --device braket/garnet --max-cost 40
    qcli validate-on-hardware runs/first --device braket/garnet --adaptive --max-cost 5
    qcli validate-on-hardware runs/first --device ibm/kingston --contract ibm=open --max-cost 0
    qcli validate-on-hardware runs/first --device pennylane:lightning.qubit --device-option seed=7
    qcli validate-on-hardware runs/first --device emulator/fez --mitigation readout --shots 2000 --json
    """
    from dataclasses import replace

    from qcli.assess.on_hardware import DRY_RUN
    from qcli.assess.question import against_policy, hardware_folder
    from qcli.assess.validate import validate_on_hardware as validate
    from qcli.cli.console import answer, note, progress
    from qcli.cli.train import pairs
    from qcli.execute.pennylane import option_value
    from qcli.execute.select import is_hardware
    from qcli.price.policy import find_policy
    from qcli.price.sheet import load_sheets
    from qcli.report.hardware import dry_run_table
    from qcli.report.html import write_report
    from qcli.report.tables import assessment_table
    from qcli.train.run import Run

    opened = Run.open(run)
    spending = _spending(
        max_cost, 0 if no_canary else canary, plan, recalibrate, pay_again, profile, s3, account, instance
    )
    if is_hardware(device):
        spending = replace(spending, policy=find_policy(policy, load_sheets().devices))
    asked: dict[str, Any] = {
        "inferences": inferences,
        "shots": shots,
        "seed": seed,
        "engine": engine,
        "precision": precision,
        "mitigation": mitigation or [],
        "adaptive": adaptive,
        "max_flips": max_flips,
        "repetition": repetition,
        "vendor_compile": vendor_compile,
        "contracts": pairs(contract or [], "--contract", "ibm=flex"),
        "device_options": {
            name: option_value(text)
            for name, text in pairs(device_option or [], "--device-option", "seed=7").items()
        },
        "unpriced": unpriced,
    }

    def run_it(spending: "Spending") -> dict[str, Any]:
        with progress() as bar:
            task = bar.add_task(f"running on {device}", total=None)
            return validate(
                opened,
                device,
                **asked,
                spending=spending,
                on_samples=lambda done, total: bar.update(task, completed=done, total=total),
                on_progress=lambda found: bar.update(
                    task,
                    completed=found.done,
                    total=found.total,
                    description=f"{device}: {found.note or 'collecting'}",
                ),
                on_step=lambda text: bar.update(task, description=text),
            )

    try:
        content = run_it(spending)
        if content["schema"] == DRY_RUN and submit and not _breaches(content):
            answer(content, [dry_run_table(content)], as_json=False)
            cap = _confirmed(content)
            content = run_it(_with_cap(spending, cap))
    except KeyboardInterrupt:
        _interrupted(run, device, spending)
        raise
    if content["schema"] == DRY_RUN:
        answer(content, [dry_run_table(content)], json_)
        if found := _breaches(content):
            raise against_policy(device, content["policy"]["path"], found)
        asked_usd = _cents_up(content["bill"]["usd_high"])
        note(f"nothing was submitted. To submit: --max-cost {asked_usd}, or --submit to be asked")
        return
    answer(content, [assessment_table(content)], json_)
    used = content["simulation"]["engine"]
    note(f"simulated by: {used['engine']}, {used['precision']} ({used['reason']})")
    note(
        f"samples: {hardware_folder(opened, content['device']) / 'samples.csv'}\nreport: {write_report(opened.path)}"
    )


def _breaches(content: dict[str, Any]) -> list[str]:
    """Of a dry run, against the policy."""
    return content["policy"]["breaches"] if content["policy"] else []


def _spending(
    max_cost: str | None,
    canary: int | None,
    plan: str | None,
    recalibrate: bool,
    pay_again: bool,
    profile: str | None,
    s3: str | None,
    account: str | None,
    instance: str | None,
) -> "Spending":
    from qcli.assess.canary import SAMPLES
    from qcli.assess.question import Spending
    from qcli.execute.braket import BraketOptions
    from qcli.execute.ibm import IbmOptions
    from qcli.execute.select import ServiceOptions

    return Spending(
        max_cost=None if max_cost is None else _usd(max_cost),
        plan=plan,
        canary=SAMPLES if canary is None else canary,
        recalibrate=recalibrate,
        pay_again=pay_again,
        services=ServiceOptions(
            BraketOptions(profile=profile, s3=s3), IbmOptions(account=account, instance=instance)
        ),
    )


def _usd(text: str) -> "Decimal":
    from decimal import Decimal, InvalidOperation

    from qcli.errors import QcliError

    try:
        usd = Decimal(text)
    except InvalidOperation:
        usd = Decimal("NaN")
    if not usd.is_finite() or usd < 0:
        raise QcliError(f"a cap of {text} USD", "--max-cost", "give an amount such as 36.24")
    return usd


def _cents_up(usd: str) -> str:
    from decimal import ROUND_CEILING, Decimal

    return f"{Decimal(usd).quantize(Decimal('0.01'), ROUND_CEILING):f}"


def _with_cap(spending: "Spending", cap: "Decimal") -> "Spending":
    from dataclasses import replace

    return replace(spending, max_cost=cap)


def _confirmed(content: dict[str, Any]) -> "Decimal":
    """The cap that the person agreed to, by typing it."""
    from decimal import Decimal

    from qcli.errors import QcliError

    asked = _cents_up(content["bill"]["usd_high"])
    given = typer.prompt(
        f"Type {asked} to spend at most that many USD", default="", show_default=False, err=True
    )
    if given.strip() != asked:
        raise QcliError("not confirmed: nothing was submitted", "--submit", f"type {asked}", exit_code=3)
    return Decimal(asked)


def _interrupted(run: Path, device: str, spending: "Spending") -> None:
    """Ask once what becomes of the tasks that are under way."""
    import sys

    from qcli.assess.jobs import jobs, wait
    from qcli.cli.console import note
    from qcli.errors import QcliError
    from qcli.execute.select import is_hardware

    if not is_hardware(device):
        return
    try:
        still = [job for job in jobs(run, device) if job.entry.is_open]
    except QcliError:
        return
    if not still:
        return
    note(
        f"\n{len(still)} task{'s are' if len(still) > 1 else ' is'} under way on {device}; "
        "the same command again collects what is left running."
    )
    if sys.stdin.isatty() and typer.confirm("Cancel them instead?", default=False, err=True):
        wait(run, device, spending.services, cancel=True)
        note("cancelled; what had ended by then is kept")

"""The `qcli` command: its sub-commands, and what the user sees when something goes wrong."""

import errno
import logging
import os
import sys
import traceback
import warnings
from types import TracebackType
from typing import Annotated, NoReturn, TextIO

import typer

from qcli.cli.assess import assess
from qcli.cli.devices import app as devices
from qcli.cli.estimate_cost import estimate_cost
from qcli.cli.forecast import app as forecast
from qcli.cli.jobs import app as jobs
from qcli.cli.ledger import ledger
from qcli.cli.prices import app as prices
from qcli.cli.progress import app as progress
from qcli.cli.report import report
from qcli.cli.sweep import sweep
from qcli.cli.train import train
from qcli.cli.validate_on_hardware import validate_on_hardware
from qcli.errors import QcliError
from qcli.execute.secrets import redacted

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (train, sweep, estimate_cost, validate_on_hardware, assess, report, ledger):
    app.command()(command)
app.add_typer(devices, name="devices")
app.add_typer(forecast, name="forecast")
app.add_typer(jobs, name="jobs")
app.add_typer(prices, name="prices")
app.add_typer(progress, name="progress")


def _version(show: bool) -> None:
    if show:
        from qcli import __version__

        typer.echo(f"qcli {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; anywhere on the line.")
    ] = False,
) -> None:
    """Train a hybrid quantum-classical model, price it on real QPUs before spending, and validate it on them.

    \b
    qcli train qcnn --data digits:0,1 --out runs/first
    qcli estimate-cost runs/first --inferences 48 --shots 512
    qcli forecast runs/first --device braket/garnet --why
    qcli validate-on-hardware runs/first --device emulator/garnet
    """


def run() -> None:
    """Entry point: exit 0 done, 1 failed, 2 bad input, 3 refused by policy, 4 gate not met, 130 interrupted."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    if len(arguments) < len(sys.argv) - 1:
        os.environ["QCLI_DEBUG"] = "1"
    logging.getLogger("qcli").setLevel(logging.INFO)
    if not any(isinstance(handler, _Notes) for handler in logging.getLogger().handlers):
        logging.getLogger().addHandler(_Notes())
    warnings.showwarning = _warn
    sys.excepthook = _crash
    try:
        app(arguments, prog_name="qcli")
    except QcliError as error:
        _fail(error, error.exit_code, error.what, error.where, error.fix)
    except OSError as error:
        where = str(error.filename or "")
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _fail(
                error,
                1,
                "the disk is full; what was there before is unharmed",
                where,
                "free some space, then run again (train: --resume RUN)",
            )
        _fail(
            error,
            1,
            f"cannot read or write: {error.strerror or error}",
            where,
            "check the path and its permissions",
        )
    except SystemExit as end:
        if end.code == 130:  # typer's, for Ctrl-C
            _fail(end, 130, "interrupted", "", "run the same command again")
        raise


class _Notes(logging.Handler):
    """What the library has to say while it works, and what others warn of, on whatever stderr is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        print(redacted(record.getMessage()), file=sys.stderr)


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A library's warning, without secrets."""
    text = warnings.formatwarning(message, category, filename, lineno, line)
    print(redacted(text), end="", file=file or sys.stderr)


def _crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A traceback, without secrets."""
    print(redacted("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def _fail(error: BaseException, code: int, what: str, where: str, fix: str) -> NoReturn:
    if os.environ.get("QCLI_DEBUG"):
        _crash(type(error), error, error.__traceback__)
    lines = [f"error: {what}"]
    lines += [f"  {name}: {text}" for name, text in (("where", where), ("fix", fix)) if text]
    print(redacted("\n".join(lines)), file=sys.stderr)
    sys.exit(code)

"""`python -m qcli`."""

from qcli.cli.main import run

run()

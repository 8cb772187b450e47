"""`python -m qcli.cli.rank RUN`: one process of `qcli train --nproc N`, started by torchrun."""

import os
import sys

from qcli.cli.console import progress
from qcli.cli.train import shown
from qcli.train.parallel import rank, reported
from qcli.train.run import Run


def main(run_path: str) -> None:
    """Train; the first process shows progress, and fine-tunes where the run asks for it."""
    with reported(), progress(visible=os.environ.get("RANK", "0") == "0") as bar:
        rank(run_path, *shown(Run.open(run_path), bar))


if __name__ == "__main__":
    main(sys.argv[1])

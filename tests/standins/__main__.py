"""`python -m tests.standins COMMAND …` runs a command with stand-ins for Amazon Braket and IBM on 127.0.0.1.

Without a command it prints what to set and serves for ten minutes. The stand-ins are forgotten when it ends.
"""

import os
import signal
import subprocess
import sys
import time

from tests.standins.braket import BraketStandIn
from tests.standins.ibm import IbmStandIn

SERVE_S = 600


def _hears_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main(command: list[str]) -> int:
    with BraketStandIn() as braket, IbmStandIn() as ibm:
        found = braket.environment() | ibm.environment()
        if command:
            # Ctrl-C is the command's alone
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            process = subprocess.Popen(command, env=os.environ | found, preexec_fn=_hears_ctrl_c)
            return process.wait()
        for name, value in found.items():
            print(f"export {name}='{value}'", flush=True)
        time.sleep(SERVE_S)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

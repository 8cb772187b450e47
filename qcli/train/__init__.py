"""The training loop, metrics, classical baselines and repeated seeds."""

import sys

from qcli import CallablePackage

sys.modules[__name__].__class__ = CallablePackage

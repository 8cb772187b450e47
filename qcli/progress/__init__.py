"""Stages and their gates: laptop, HPC, QPU."""

import sys

from qcli import CallablePackage

sys.modules[__name__].__class__ = CallablePackage

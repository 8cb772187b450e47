"""A search over training settings and circuit architectures: trials, their objectives, and who runs them."""

import sys

from qcli import CallablePackage

sys.modules[__name__].__class__ = CallablePackage

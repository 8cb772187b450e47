"""What a device will do to a model's accuracy, with an interval: calibration in, prediction out."""

import sys

from qcli import CallablePackage

sys.modules[__name__].__class__ = CallablePackage

"""The device catalogue: topology, native gates and dated calibration of each QPU."""

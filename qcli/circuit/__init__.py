"""Programs: gates, an angle map and observables as plain data; traced from PennyLane, written to other forms."""

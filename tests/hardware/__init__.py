"""The hardware path against faults of the services, of the computer and of the person in front of it."""

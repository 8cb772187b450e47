"""Where work runs: the cores of this machine, or a Slurm cluster. Nothing here schedules: the operating system and
Slurm do."""

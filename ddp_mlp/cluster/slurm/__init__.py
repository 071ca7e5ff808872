"""Jobs under Slurm: the script, sending it off, going on after a stop, and how it stands."""

"""The run directory and its files: who may write, and what each holds."""

"""Training on rows that are read while it goes on: how they are cut, held in memory, and fed to the steps."""

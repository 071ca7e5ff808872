"""Rows that are read while work goes on: how they are cut, held in memory, fed to the steps, and answered."""

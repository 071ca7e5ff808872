"""Answers of several networks together: their mean, their spread, and how far it can be trusted."""

"""Trained models in the files of other programs, and models of other programs here."""

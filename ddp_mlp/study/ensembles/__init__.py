"""Ensembles: their members, trained or copied from a study, and the list of these."""

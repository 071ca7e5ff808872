"""Fitting the columns, targets and labels of a file to the schema that a model knows."""

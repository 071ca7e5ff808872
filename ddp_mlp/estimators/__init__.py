"""Estimators with scikit-learn's names: the classifier and the regressor, trained by all ranks together."""

"""The Python interface: configurations, training, models and estimators for scripts and notebooks."""

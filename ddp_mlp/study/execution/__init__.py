"""The execution of a study: who runs which trial when."""

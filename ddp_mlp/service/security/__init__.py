"""Who may ask, for what, and for which files."""

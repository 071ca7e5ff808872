"""From what is asked for to a command line: checked, confined, and written down."""

"""From a request to a command line: checked, confined, and written down."""

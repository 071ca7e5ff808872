"""The interface over HTTP; the only place of the web framework."""

"""Pages and their parts: markup, charts, pictures and sections."""

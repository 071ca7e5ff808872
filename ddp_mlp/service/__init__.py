"""The service: a queue, an API and a page over run directories that also work without it."""

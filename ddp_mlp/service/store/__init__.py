"""The jobs of a service, kept in SQLite: no state of a job lives in memory alone."""

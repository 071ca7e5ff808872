"""Elementary functions as plain arithmetic, the same bits on every machine, of which loops use whole vectors."""

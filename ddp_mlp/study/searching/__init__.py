"""A search: its plan, its rules, and the best of it."""

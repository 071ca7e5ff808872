"""Models applied to rows: of files, in memory, prepared for many calls, and written as they come."""

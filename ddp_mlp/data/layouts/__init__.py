"""Where features and targets are in a file that someone else wrote, and what its numbers mean."""

"""The activations, losses, optimisers and schedules that a configuration can name: each one entry, with its kernel."""

"""The other side: commands that ask a running service."""

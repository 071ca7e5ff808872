"""Many runs from one configuration."""

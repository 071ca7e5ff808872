"""Saved states and models: written whole, sealed, and checked before they are believed."""

"""Bring your own model: what a stranger's file is, whether it may be loaded, and whether its contract fits it."""

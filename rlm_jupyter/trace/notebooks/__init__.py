"""Trace notebooks, which are written beside the user's and never over anything of his."""

"""Traces in files: logs, recordings and notebooks, opened whatever they hold."""

"""Renderings of a trace, one module each: notebook, Markdown, display bundle, the field's trajectory.

Each is a pure function of the trace. What models and code wrote is untrusted: it is escaped or made inert here.
"""

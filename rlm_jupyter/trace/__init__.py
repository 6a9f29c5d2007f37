"""What happened: the span schema, the recorder that redacts and writes it, and one module per artifact.

Every artifact is a pure function of a trace. Nothing here runs code or talks to a model.
"""

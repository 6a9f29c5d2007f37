"""What happened: the span schema, the recorder that redacts, and the files that hold it.

Its renderings are in ``artifacts``. Nothing here runs code or talks to a model.
"""

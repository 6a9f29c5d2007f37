"""Recorded demos: what they ask about, what their scripted model says, and the recordings that came of it.

``make.py`` records them anew. Each demo has a module that makes its material, which its notebook imports, and a module
with the words of the model, whose name is ``scripted-demo``. Those words were written by hand; no model was asked. Code,
outputs, errors and times are those of a real run.
"""

"""The recursive loop and the words it is told in: effects, replies, observations, prompts, limits, results.

Nothing here knows of Jupyter, of HTTP or of files, and nothing here imports the rest of the package.
"""

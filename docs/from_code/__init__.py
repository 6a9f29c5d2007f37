"""Writes docs/reference from the code: ``python docs/from_code docs/reference``.

A module for each page returns its Markdown, made of what the code says of itself: help texts, docstrings, traits,
schemas. What is missing there is mended there. No machine, no clock and no version of Python changes a page.
"""

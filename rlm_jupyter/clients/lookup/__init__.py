"""What the offline extractor is made of: reading a question, finding passages in text, and the root's moves.

Pure functions over strings, standard library only. Nothing here knows of clients, loops or files.
"""

"""``jupyter rlm``: the command. It parses, says what came of it, and exits; the work is done by the folders below.

A command is imported when it is named, so that ``--help`` waits for nothing. Nothing else imports this folder.
"""

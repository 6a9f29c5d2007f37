"""REST under ``/rlm-jupyter/``: one module per noun, the route table in ``table``, the document in ``../openapi.yaml``.

A handler checks what it was asked, has the store answer in a thread, and writes JSON. It holds no state, opens no file,
and knows no rule that a kernel or a notebook would have to follow: those live in the parts that it asks.
"""

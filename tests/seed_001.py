"""The integration notebook that the product was asked for, cell by cell; only the import lines are ours."""

# ruff: noqa: E501, W291 - the cells are as they were given
from __future__ import annotations

CELLS = [
    # 0: imports
    """\
import sys
from rlm_jupyter import RLM
from rlm_jupyter import render_completion
from rlm_jupyter import enable_trace_notebook

# Optional: Enable trace logging to generate .trace.ipynb files for debugging
logger, trace_handle = enable_trace_notebook(log_dir="logs")
""",
    # 1: completions forget
    """\
rlm = RLM(
    environment="jupyter",
    logger=logger,
    backend_kwargs={"model_name": "gpt-4o"}
)

# This call happens in isolation
result = rlm.completion("Generate a random number between 1 and 100.")
print(f"Result 1: {result.response}")

# This call knows nothing about the previous one
result = rlm.completion("What was the number you just generated?")
print(f"Result 2: {result.response}")
""",
    # 2: sessions remember
    """\
session = rlm.start_session()

result = session.chat("Pick a color.")
print(f"Turn 1: {result.response}")

result = session.chat("Why did you pick that one?")
print(f"Turn 2: {result.response}")

result.render_trace() # View the cumulative trace of the session
""",
    # 3: persistence
    """\
persistent_rlm = RLM(
    environment="jupyter",
    persistent=True,
    logger=logger,
    backend_kwargs={"model_name": "gpt-5.2"}
)

# Call 1: Define a variable in the RLM's environment
persistent_rlm.completion("Set x = 500 in the repl")

# Call 2: Use that variable (even though this is a fresh completion call)
result = persistent_rlm.completion("Read the value of x from the repl. do not assume the value. Then set x to the double of its value.")
print(result.response)
""",
    # 4: mode A
    """\
rlm_out = RLM(
    environment="jupyter", 
    environment_kwargs={"sync_to_user_ns": True}, # Push RLM vars to Notebook
    backend_kwargs={"model_name": "gpt-4o"}
)

rlm_out.completion("computed_value = 12345 * 6789")

# Now the variable is available in your notebook
print(f"Value from RLM: {computed_value}") # noqa: F821
""",
    # 5: mode B
    """\
# Define sensitive/heavy data in notebook
api_key = "sk-12345"
user_data = {"id": 1, "name": "Petros"}
irrelevant_var = "Do not see this"

rlm_dev = RLM(
    environment="jupyter",
    environment_kwargs={
        "sync_from_user_ns": True,
        "sync_vars": ["user_data"] # Only sync this variable
    },
    backend_kwargs={"model_name": "gpt-4o"}
)

result = rlm_dev.completion("Check if 'user_data' is defined. Check if 'api_key' is defined.")
print(result.response)
""",
    # 6: mode C, the data
    """\
# Setup data
import pandas as pd
df = pd.DataFrame({"Name": ["A", "B"], "Score": [10, 20]})

print("Original DataFrame:")
print(df)
""",
    # 7: mode C
    """\
rlm_full = RLM(
    environment="jupyter",
    environment_kwargs={
        "sync_to_user_ns": True,
        "sync_from_user_ns": True
        # No 'sync_vars' means sync everything
    },
    backend_kwargs={"model_name": "gpt-5.2"}
)

# RLM modifies 'df' in place
rlm_full.completion("Add 5 to the Score column of df.")

print("\\nModified DataFrame (in Notebook):")
print(df)
""",
    # 8: the empty cell at its end
    "",
]

"""A run is steered from the panel: interrupted, stopped, told something; and its code is reviewed there."""

from __future__ import annotations

import json
from collections.abc import Callable

from live_server import eventually
from playwright.sync_api import expect
from scripted_server import Reply
from scripts import code, says

from ui.lab import Lab
from ui.lab_site import Site

Opened = Callable[..., str]

QUESTION = "For how long?"


def test_a_run_is_interrupted(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("import time", "time.sleep(60)"))
    notebook(f"%%rlm\n{QUESTION}")
    panel = lab.panel
    lab.run(0)
    expect(panel.rows_of("code", status="running")).to_have_count(1)
    panel.button("Interrupt").click()
    lab.expect_ended(0)
    panel.expect_status("interrupted")
    expect(panel.rows_of("code", status="interrupted")).to_have_count(1)
    expect(panel.button("Interrupt")).to_have_count(0)


def test_a_run_is_stopped_after_its_iteration(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("found = llm_query('x')"), code("never = 1"), sub=Reply("y", held=site.held))
    notebook(f"%%rlm\n{QUESTION}")
    panel = lab.panel
    lab.run(0)
    expect(panel.rows_of("subcall", status="running")).to_have_count(1)
    panel.button("Stop after this iteration").click()
    expect(panel.header).to_contain_text("ends after this iteration")
    site.held.set()
    lab.expect_ended(0)
    panel.expect_status("interrupted")
    expect(panel.rows_of("iteration")).to_have_count(1)
    expect(panel.rows_of("code", status="ok")).to_have_count(1)


def test_a_run_is_halted_told_something_and_goes_on(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("found = llm_query('x')"), "FINAL(done)", sub=Reply("y", held=site.held))
    notebook(f"%%rlm\n{QUESTION}")
    panel = lab.panel
    lab.run(0)
    expect(panel.rows_of("subcall", status="running")).to_have_count(1)
    panel.button("Pause").click()
    expect(panel.button("Go on")).to_be_visible()
    panel.button("Note").click()
    field = panel.root.get_by_role("textbox", name="Note to the model")
    field.fill("Mind the walrus.")
    field.press("Control+Enter")
    site.held.set()
    expect(panel.rows_of("iteration", status="ok")).to_have_count(1)
    expect(panel.rows_of("iteration")).to_have_count(1)
    lab.expect_running(0)
    panel.button("Go on").click()
    lab.expect_ended(0)
    panel.expect_status("ok")
    assert "Mind the walrus." in json.dumps(site.model.requests[-1].messages)


def test_code_is_changed_rejected_and_approved_in_the_panel(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("made = 'by the model'"), code("made = 'rejected'"), code("print(made)", "FINAL(made)"))
    notebook(f"%%rlm --review\n{QUESTION}")
    panel = lab.panel
    expect(panel.state).to_be_visible()
    eventually(lambda: _is_reviewed(lab), "a kernel that knows of its reviewer")
    lab.run(0)
    waiting = panel.review.get_by_role("textbox", name="Code that waits")
    expect(waiting).to_have_value("made = 'by the model'")
    waiting.fill("made = 'by the user'")
    panel.review.get_by_role("button", name="Run the changed code").click()
    expect(waiting).to_have_value("made = 'rejected'")
    panel.review.get_by_role("button", name="Reject").click()
    expect(waiting).to_have_value("print(made)\nFINAL(made)")
    panel.review.get_by_role("button", name="Run it").click()
    lab.expect_ended(0)
    panel.expect_status("ok")
    expect(panel.review).to_have_count(0)
    expect(lab.cell(0).locator(".jp-OutputArea")).to_contain_text("by the user")


def _is_reviewed(lab: Lab) -> bool:
    """Whether the kernel was told that somebody can decide outside of the cell."""
    script = """async () => {
      const kernel = window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
      const link = "get_ipython().magics_manager.registry['RLMMagics'].link";
      const future = kernel.requestExecute({
        code: '', silent: true, user_expressions: { present: `${link} is not None and ${link}.reviewer_present` }
      });
      const reply = await future.done;
      return reply.content.user_expressions.present.data['text/plain'] === 'True';
    }"""
    return bool(lab.page.evaluate(script))

"""A run is seen while it happens: what was asked, what runs, what it takes, and what failed."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect
from scripted_server import ChatRequest, Reply
from scripts import code, says

from ui.lab import Lab
from ui.lab_site import QUICKSTART, Site

Opened = Callable[..., str]

WALRUS = "How many walruses are there?"


def in_batches(*, failing: int = -1, of: int = 12) -> str:
    """A reply that asks so many questions at once; the scripted model refuses the one with this number."""
    return code(
        f"prompts = ['fail ' + str(i) if i == {failing} else 'piece ' + str(i) for i in range({of})]",
        "found = llm_query_batched(prompts)",
        "print(len(found))",
    )


def refuses(request: ChatRequest) -> Reply:
    """The reply to a sub-call: those that ask for it fail."""
    return Reply("no such piece", status=400) if request.prompt.startswith("fail") else Reply("a piece of it")


def test_without_a_notebook_the_panel_says_what_to_do(lab: Lab) -> None:
    panel = lab.show_panel()
    expect(panel.root).to_have_attribute("role", "region")
    expect(panel.root).to_have_attribute("aria-label", "Recursive language model")
    expect(panel.state).to_have_attribute("data-state", "no-notebook")
    expect(panel.state).to_contain_text(re.compile("notebook", re.IGNORECASE))


def test_a_notebook_without_runs_says_how_to_begin(lab: Lab, notebook: Opened) -> None:
    notebook("1 + 1")
    expect(lab.panel.state).to_have_attribute("data-state", "no-runs")
    expect(lab.panel.state).to_contain_text("%%rlm")


def test_the_quickstart_is_answered_and_seen(lab: Lab, site: Site, name: str) -> None:
    path = site.copy(QUICKSTART, f"{name}.ipynb")
    lab.open(path)
    panel = lab.show_panel()
    cells = [number for number, source in enumerate(lab.sources()) if not source.startswith("#")]
    asking = next(number for number in cells if "--out first" in lab.sources()[number])
    for number in range(asking):
        if lab.cell(number).and_(lab.page.locator(".jp-CodeCell")).count():
            lab.ran(number)
    lab.ran(asking)
    question = "Which module defines the class `ChainMap`"
    expect(panel.run(question)).to_have_attribute("aria-selected", "true")
    panel.expect_status("ok")
    expect(panel.header).to_contain_text(question)
    expect(panel.rows_of("iteration").first).to_be_visible()
    expect(lab.cell(asking).locator(".jp-OutputArea")).to_contain_text("collections")


def test_spans_appear_while_the_cell_still_runs(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(
        code("found = llm_query('what about it?')", "print(found)"),
        "FINAL(seven walruses)",
        sub=Reply("seven of them", held=site.held),
    )
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.run(0)
    expect(panel.rows_of("subcall", status="running")).to_have_count(1)
    expect(panel.rows_of("code", status="running")).to_have_count(1)
    expect(panel.rows_of("model_call", status="ok")).to_have_count(1)
    expect(panel.run(WALRUS)).to_have_attribute("aria-selected", "true")
    panel.expect_status("running")
    lab.expect_running(0)
    site.held.set()
    lab.expect_ended(0)
    panel.expect_status("ok")
    expect(panel.rows_of("subcall", status="ok")).to_have_count(1)
    expect(panel.rows_of("iteration")).to_have_count(2)
    expect(panel.live).not_to_be_empty()


def test_a_reply_is_read_while_it_is_written(lab: Lab, site: Site, notebook: Opened) -> None:
    pieces = ["Let me see: ", "there are ", "\nFINAL(seven walruses)"]
    site.script = says(Reply(chunks=pieces, pause=0.3, held=site.held, held_at=2))
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.run(0)
    call = panel.rows_of("model_call", status="running")
    expect(call).to_contain_text("writing")
    expect(panel.root).to_contain_text("The model is writing: 22 characters")
    call.click()
    written = panel.open_tab("Reply").locator(".jp-rlm-Writing")
    expect(written).to_have_text("Let me see: there are ")
    lab.expect_running(0)
    site.held.set()
    lab.expect_ended(0)
    expect(panel.detail).to_contain_text("seven walruses")
    expect(written).to_have_count(0)


def test_a_picture_that_a_model_was_shown_is_seen(lab: Lab, site: Site, notebook: Opened) -> None:
    image = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    site.script = says(
        code(
            "from base64 import b64decode",
            "from io import BytesIO",
            "from PIL import Image",
            f"seen = Image.open(BytesIO(b64decode('{image}')))",
            "print(llm_query(['What is on it?', seen]))",
        ),
        "FINAL(done)",
    )
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.ran(0)
    panel.rows_of("subcall").click()
    shown = panel.open_tab("Messages")
    expect(shown).to_contain_text("What is on it?")
    picture = shown.get_by_role("img", name="Picture 1")
    expect(picture).to_have_attribute("src", re.compile("^data:image/png;base64,"))
    assert picture.evaluate("image => image.naturalWidth") == 1


def test_a_sub_call_is_opened(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("print(llm_query('what about it?'))"), "FINAL(done)", sub="seven **of** them")
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.ran(0)
    panel.rows_of("subcall").click()
    expect(panel.rows_of("subcall")).to_have_attribute("aria-selected", "true")
    expect(panel.open_tab("Reply")).to_contain_text("seven of them")
    expect(panel.detail.locator("strong")).to_have_text("of")
    expect(panel.open_tab("Messages")).to_contain_text("what about it?")
    expect(panel.open_tab("Raw")).to_contain_text("subcall")
    panel.rows_of("code").click()
    expect(panel.open_tab("Code")).to_contain_text("llm_query")
    expect(panel.open_tab("Output")).to_contain_text("seven **of** them")


def test_a_model_call_shows_what_was_added_to_its_messages(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("print('the first output')"), "FINAL(done)")
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.ran(0)
    expect(panel.rows_of("model_call")).to_have_count(2)
    panel.rows_of("model_call").last.click()
    shown = panel.open_tab("Messages")
    expect(shown).to_contain_text("the first output")
    expect(shown).not_to_contain_text(WALRUS)
    panel.rows_of("model_call").first.click()
    expect(panel.open_tab("Messages")).to_contain_text(WALRUS)


def test_calls_that_are_alike_are_one_row_that_unfolds(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(in_batches(failing=5), "FINAL(done)", sub=refuses)
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.ran(0)
    group = panel.rows.filter(has_text="11 llm_query")
    expect(group).to_have_count(1)
    expect(panel.rows_of("subcall", status="error")).to_have_count(1)
    panel.unfold(group)
    expect(panel.rows_of("subcall", status="ok")).to_have_count(11)


def test_children_are_nested(lab: Lab, site: Site, notebook: Opened) -> None:
    def script(request: ChatRequest) -> Reply | str:
        child = "What is in the bath?" in str(request.messages[1:2])
        return says("FINAL(a walrus)" if child else code("print(rlm_query('What is in the bath?'))"), "FINAL(done)")(
            request
        )

    site.script = script
    notebook(f"%%rlm --max-depth 2\n{WALRUS}")
    panel = lab.panel
    lab.ran(0)
    child = panel.rows_of("run", text="What is in the bath?")
    expect(child).to_have_count(1)
    level = int(child.get_attribute("aria-level") or 0)
    panel.unfold(child)
    inside = panel.tree.locator(f'[role=row][data-kind="iteration"][aria-level="{level + 1}"]')
    expect(inside).to_have_count(1)
    expect(panel.header).to_contain_text("a" if level == 0 else "1")


def test_next_error_goes_from_one_failure_to_the_next(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(in_batches(failing=3), code("1 / 0"), "FINAL(done)", sub=refuses)
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.ran(0)
    panel.expect_status("ok")
    selected = panel.tree.locator('[role=row][aria-selected="true"]')
    panel.button("Next error").click()
    expect(selected).to_have_attribute("data-kind", "subcall")
    expect(selected).to_have_attribute("data-status", "error")
    expect(selected).to_be_in_viewport()
    expect(panel.root).to_contain_text("no such piece")
    panel.button("Next error").click()
    expect(selected).to_have_attribute("data-kind", "code")
    expect(panel.open_tab("Output")).to_contain_text("ZeroDivisionError")


def test_outputs_are_shown_as_the_notebook_shows_them(lab: Lab, site: Site, notebook: Opened) -> None:
    image = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    site.script = says(
        code(
            "from base64 import b64decode",
            "from IPython.display import HTML, Image, display",
            "display(HTML('<table><tr><td>in a table</td></tr></table><script>window.__hit = 1</script>'))",
            f"display(Image(b64decode('{image}')))",
        ),
        "FINAL(done)",
    )
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.ran(0)
    panel.rows_of("code").click()
    shown = panel.open_tab("Output")
    expect(shown.locator("td")).to_have_text("in a table")
    expect(shown.locator("img")).to_have_count(1)
    assert lab.page.evaluate("() => window.__hit") is None


def test_variables_that_a_block_bound_are_named(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("walruses = 7", "baths = 2"), "FINAL(done)")
    notebook(f"%%rlm\n{WALRUS}")
    lab.ran(0)
    lab.panel.rows_of("code").click()
    shown = lab.panel.open_tab("Variables")
    expect(shown).to_contain_text("walruses")
    expect(shown).to_contain_text("baths")


def test_follow_goes_with_the_run_until_the_user_scrolls(lab: Lab, site: Site, notebook: Opened) -> None:
    steps = [code(f"step = {number}") for number in range(25)]
    site.script = says(*steps, code("print(llm_query('and now?'))"), "FINAL(done)", sub=Reply("x", held=site.held))
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.run(0)
    running = panel.rows_of("subcall", status="running")
    expect(running).to_be_in_viewport()
    expect(panel.button("Follow")).to_have_attribute("aria-pressed", "true")
    panel.tree.evaluate("tree => { tree.scrollTop = 0; tree.dispatchEvent(new WheelEvent('wheel', {bubbles: true})); }")
    expect(panel.button("Follow")).to_have_attribute("aria-pressed", "false")
    expect(panel.rows.first).to_be_in_viewport()  # it is not scrolled back to what was followed
    panel.button("Follow").click()
    expect(running).to_be_in_viewport()
    panel.tree.hover()
    lab.page.mouse.wheel(0, -100_000)
    expect(panel.button("Follow")).to_have_attribute("aria-pressed", "false")
    expect(panel.rows.first).to_be_in_viewport()
    site.held.set()
    lab.expect_ended(0)
    expect(panel.rows.first).to_be_in_viewport()
    panel.button("Follow").click()
    expect(panel.button("Follow")).to_have_attribute("aria-pressed", "true")


def test_words_are_found_in_code_outputs_and_sub_calls(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(
        code("aardvark = 1"), in_batches(failing=7), "FINAL(done)", sub=lambda asked: f"the reply to {asked.prompt}"
    )
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.ran(0)
    panel.search.fill("aardvark")
    expect(panel.rows_of("subcall")).to_have_count(0)
    expect(panel.rows_of("code")).to_have_count(1)
    expect(panel.rows_of("code")).to_contain_text("aardvark")
    panel.search.fill("reply to piece 11")
    expect(panel.rows_of("subcall")).to_have_count(1)
    panel.search.fill("")
    expect(panel.rows_of("code")).to_have_count(2)


def test_kinds_are_left_out_by_the_filter(lab: Lab, site: Site, notebook: Opened) -> None:
    site.script = says(code("print(llm_query('x'))"), "FINAL(done)")
    notebook(f"%%rlm\n{WALRUS}")
    panel = lab.panel
    lab.ran(0)
    expect(panel.rows_of("model_call")).to_have_count(2)
    panel.button("Filter").click()
    panel.root.get_by_role("menuitemcheckbox", name="Code").click()
    lab.page.keyboard.press("Escape")
    expect(panel.rows_of("model_call")).to_have_count(0)
    expect(panel.rows_of("code")).to_have_count(1)


def test_the_status_bar_tells_what_the_run_costs(lab: Lab, site: Site, notebook: Opened) -> None:
    usage = {"prompt_tokens": 900, "completion_tokens": 10, "total_tokens": 910, "cost": 0.02}
    asks = Reply(code("print(llm_query('x'))"), usage=usage)
    site.script = says(asks, Reply("FINAL(done)", usage=usage), sub=Reply("y", usage=usage))
    notebook(f"%%rlm\n{WALRUS}")
    lab.ran(0)
    expect(lab.page.locator("#jp-main-statusbar .jp-rlm-Status")).to_contain_text("0.06")

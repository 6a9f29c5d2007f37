/** Cells of a notebook: to the one that a run was asked in, and new ones. */
import type { Cell } from '@jupyterlab/cells';
import { NotebookActions, type Notebook, type NotebookPanel } from '@jupyterlab/notebook';

const FLASH = 'jp-rlm-Flash';

/** Milliseconds; the style sheet's animation takes as long. */
const FLASH_TIME = 1600;

/** Return the cell with an id, or null when the notebook has it no more. */
function findCell(notebook: Notebook, cellId: string): Cell | null {
  return notebook.widgets.find(cell => cell.model.id === cellId) ?? null;
}

/** Scroll a cell into view, make it the active one and have it flash; false when there is no such cell. */
export async function revealCell(
  panel: NotebookPanel,
  cellId: string,
  takesFocus = true
): Promise<boolean> {
  await panel.revealed;
  const notebook = panel.content;
  const cell = findCell(notebook, cellId);
  if (cell === null) {
    return false;
  }
  await show(notebook, notebook.widgets.indexOf(cell));
  if (takesFocus) {
    notebook.activate();
  }
  flash(cell);
  return true;
}

/** Show where a trace notebook tells of a run: of the first of the spans that it has a cell of, or else its beginning. */
export async function revealStep(
  panel: NotebookPanel,
  runId: string,
  spanIds: readonly string[]
): Promise<boolean> {
  await panel.revealed;
  const cells = panel.content.widgets.filter(cell => oursOf(cell).run_id === runId);
  const told = spanIds.map(id => cells.find(cell => oursOf(cell).span_id === id));
  const cell = told.find(found => found !== undefined) ?? cells.at(0);
  return cell !== undefined && revealCell(panel, cell.model.id);
}

/** Return what a cell says of where it comes from. */
function oursOf(cell: Cell): { run_id?: unknown; span_id?: unknown } {
  return (cell.model.getMetadata('rlm_jupyter') as object | undefined) ?? {};
}

/** Insert code as a cell below the active one; it is not run. */
export async function insertCode(panel: NotebookPanel, code: string): Promise<void> {
  await panel.revealed;
  const notebook = panel.content;
  const index = notebook.model && notebook.activeCell ? notebook.activeCellIndex + 1 : 0;
  insert(notebook, index, code);
  await show(notebook, index);
  const cell = notebook.widgets[index];
  if (cell) {
    flash(cell);
  }
}

/** Put code into a cell at the end of the notebook, where the user sees it, and run it. */
export async function runAtEnd(panel: NotebookPanel, code: string): Promise<boolean> {
  await panel.revealed;
  const notebook = panel.content;
  const last = notebook.widgets.length - 1;
  const model = notebook.widgets[last]?.model;
  const isFree = model?.type === 'code' && model.sharedModel.getSource().trim() === '';
  const index = isFree ? last : last + 1;
  if (isFree) {
    model.sharedModel.setSource(code);
  } else {
    insert(notebook, index, code);
  }
  const cellId = notebook.widgets[index]?.model.id ?? '';
  await show(notebook, index);
  // Meanwhile the user may have gone to another cell, or others came before this one.
  const at = notebook.widgets.findIndex(cell => cell.model.id === cellId);
  if (at < 0) {
    return false;
  }
  notebook.deselectAll();
  notebook.activeCellIndex = at;
  return NotebookActions.run(notebook, panel.sessionContext);
}

function insert(notebook: Notebook, index: number, source: string): void {
  notebook.model?.sharedModel.insertCell(index, {
    cell_type: 'code',
    source,
    metadata: { trusted: true }
  });
}

async function show(notebook: Notebook, index: number): Promise<void> {
  notebook.deselectAll();
  notebook.activeCellIndex = index;
  notebook.mode = 'command';
  try {
    await notebook.scrollToItem(index, 'smart');
  } catch {
    // Somebody scrolled elsewhere meanwhile, which is what they want to see.
  }
}

function flash(cell: Cell): void {
  cell.removeClass(FLASH);
  // The style must be computed without the class, for the animation to begin again.
  void cell.node.offsetWidth;
  cell.addClass(FLASH);
  window.setTimeout(() => {
    if (!cell.isDisposed) {
      cell.removeClass(FLASH);
    }
  }, FLASH_TIME);
}

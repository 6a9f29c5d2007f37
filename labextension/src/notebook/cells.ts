/** Cells of a notebook: to the one that a run was asked in, and new ones. */
import type { Cell } from '@jupyterlab/cells';
import { NotebookActions, type Notebook, type NotebookPanel } from '@jupyterlab/notebook';

const FLASH = 'jp-rlm-Flash';

/** Milliseconds; the style sheet's animation takes as long. */
const FLASH_TIME = 1600;

/** Return the cell with an id, or null when the notebook has it no more. */
export function findCell(notebook: Notebook, cellId: string): Cell | null {
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

/** Insert code as a cell below the active one; it is not run. */
export async function insertCode(panel: NotebookPanel, code: string): Promise<void> {
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
  if (model?.type === 'code' && model.sharedModel.getSource().trim() === '') {
    model.sharedModel.setSource(code);
    await show(notebook, last);
  } else {
    insert(notebook, last + 1, code);
    await show(notebook, last + 1);
  }
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

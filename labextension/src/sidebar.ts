/** The panel at the side of Lab, or of Notebook 7. */
import type { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import { MessageLoop } from '@lumino/messaging';
import type { Widget } from '@lumino/widgets';

/** Lab's own panels have ranks up to 700 on that side. */
const RANK = 750;

/** What Lab's shell and Notebook's can both do. */
interface Collapsible {
  collapseRight?: () => void;
}

/** Shows and hides the panel. */
export class Sidebar {
  /** Add the panel to the right side; `labShell` is null in Notebook 7. */
  constructor(
    private readonly shell: JupyterFrontEnd.IShell,
    private readonly labShell: ILabShell | null,
    private readonly panel: Widget
  ) {
    shell.add(panel, 'right', { rank: RANK, type: 'RLM' });
  }

  /** Whether the panel is to be seen. */
  get isShown(): boolean {
    return this.panel.isVisible;
  }

  /** Bring the panel up. */
  show(): void {
    this.shell.activateById(this.panel.id);
    // Notebook 7 brings it up, and leaves the focus where it was.
    this.panel.activate();
  }

  /** Bring the panel up, and leave the focus where the user types. */
  showBeside(): void {
    const focused = document.activeElement;
    this.show();
    MessageLoop.flush();
    if (focused instanceof HTMLElement) {
      focused.focus({ preventScroll: true });
    }
  }

  /** Close the side that the panel is in. */
  hide(): void {
    const { labShell } = this;
    if (labShell && [...labShell.widgets('left')].includes(this.panel)) {
      labShell.collapseLeft();
    } else {
      (this.shell as Collapsible).collapseRight?.();
    }
  }
}

/** The names that the extension goes by: plugins, commands, MIME types, and what plugins have of each other. */
import { Token } from '@lumino/coreutils';
import type { PanelModel } from './model/panel';

/** What the extension's texts are found under by translators. */
export const TRANSLATION_DOMAIN = 'rlm_jupyter';

/** The plugins; `panel` is also the id of the settings. */
export const PluginIDs = {
  panel: 'rlm-jupyter:plugin',
  renderer: 'rlm-jupyter:renderer',
  status: 'rlm-jupyter:status'
} as const;

/** The id of the panel in the sidebar. */
export const PANEL_ID = 'rlm-jupyter-panel';

/** A finished run in a cell's output, as `rlm_jupyter/trace/artifacts/bundle.py` writes it. */
export const RUN_MIME_TYPE = 'application/vnd.rlm-jupyter.run+json';

/** A run under way in a cell's output, as `rlm_jupyter/magics/live.py` writes it. */
export const LIVE_MIME_TYPE = 'application/vnd.rlm-jupyter.live+json';

/** The commands. */
export const CommandIDs = {
  showPanel: 'rlm-jupyter:show-panel',
  togglePanel: 'rlm-jupyter:toggle-panel',
  openRun: 'rlm-jupyter:open-run',
  openInTab: 'rlm-jupyter:open-in-tab',
  nextError: 'rlm-jupyter:next-error',
  previousError: 'rlm-jupyter:previous-error',
  follow: 'rlm-jupyter:follow',
  interrupt: 'rlm-jupyter:interrupt',
  stop: 'rlm-jupyter:stop',
  pause: 'rlm-jupyter:pause',
  resume: 'rlm-jupyter:resume',
  note: 'rlm-jupyter:note',
  newSession: 'rlm-jupyter:new-session',
  resumeSession: 'rlm-jupyter:resume-session',
  replayRun: 'rlm-jupyter:replay-run',
  resumeRun: 'rlm-jupyter:resume-run',
  goToCell: 'rlm-jupyter:go-to-cell',
  insertCode: 'rlm-jupyter:insert-code',
  openTrace: 'rlm-jupyter:open-trace-notebook',
  exportRun: 'rlm-jupyter:export-run',
  copyLink: 'rlm-jupyter:copy-link',
  deleteRun: 'rlm-jupyter:delete-run',
  openSettings: 'rlm-jupyter:open-settings',
  openLink: 'rlm-jupyter:open-link'
} as const;

/** What the panel's plugin gives to them. */
export interface IRunPanel {
  /** What the panel in the sidebar shows. */
  readonly model: PanelModel;
}

/** The panel, for the extension's other plugins. */
export const IRunPanel = new Token<IRunPanel>(
  'rlm-jupyter:IRunPanel',
  'The panel that shows the runs of the active notebook.'
);

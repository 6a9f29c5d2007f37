/** Puts the panel together: the server, the models, the views, the commands, and where Lab shows them. */
import type { ILabShell, ILayoutRestorer, IRouter, JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { MessageLoop } from '@lumino/messaging';

import { Changes } from './api/changes';
import { Api } from './api/client';
import { rlmIcon } from './icon';
import { setLocale } from './model/format';
import { PanelModel } from './model/panel';
import { LabActions } from './notebook/actions';
import { ActiveNotebook } from './notebook/active';
import { Asking } from './notebook/asking';
import { addCommands } from './notebook/commands';
import { Documents } from './notebook/documents';
import { followActive } from './notebook/follow';
import { LINK_PATTERN, readLink } from './notebook/links';
import { Opener } from './notebook/opening';
import { Relay } from './notebook/relay';
import { RunPanel } from './panel/panel';
import { Panels, type RunView } from './panels';
import { Settings } from './settings';
import { Sidebar } from './sidebar';
import { RunTabs } from './tabs';
import { CommandIDs, PANEL_ID, TRANSLATION_DOMAIN, type IRunPanel } from './tokens';

/** Lab's command that shows settings. */
const SETTINGS = 'settingeditor:open';

/** What a user can call by name; the others need to be told which run. */
const IN_PALETTE = Object.values(CommandIDs).filter(
  id => id !== CommandIDs.openRun && id !== CommandIDs.openLink
);

/** What Lab offers; null is what a front end lacks. */
export interface Offered {
  app: JupyterFrontEnd;
  tracker: INotebookTracker;
  rendermime: IRenderMimeRegistry;
  translator: ITranslator;
  labShell: ILabShell | null;
  restorer: ILayoutRestorer | null;
  palette: ICommandPalette | null;
  registry: ISettingRegistry | null;
  languages: IEditorLanguageRegistry | null;
  router: IRouter | null;
  docManager: IDocumentManager | null;
}

/** What the panel is made of, but for its own model. */
interface Parts {
  trans: TranslationBundle;
  settings: Settings;
  api: Api;
  changes: Changes;
  relay: Relay;
  active: ActiveNotebook;
  documents: Documents;
  panels: Panels;
  /** The actions of the panel that the user is at. */
  actions: LabActions;
  /** Make a model, and a panel that shows it. */
  view(): RunView;
}

/** Add the panel and its commands to Lab. */
export function activatePanel(offered: Offered): IRunPanel {
  setLocale(offered.translator.languageCode);
  const parts = partsOf(offered);
  const { active, changes, panels, relay, settings, trans } = parts;
  const { model, widget } = parts.view();
  widget.id = PANEL_ID;
  widget.title.icon = rlmIcon;
  widget.title.caption = trans.__('Recursive language model');
  const sidebar = new Sidebar(offered.app.shell, offered.labShell, widget);
  const added = commandsOf(offered, parts, model, sidebar);
  offered.restorer?.add(widget, PANEL_ID);
  relay.follow(offered.tracker);
  const following = followActive({ api: parts.api, model, active });
  changes.changed.connect((_, { kind, action, notebook }) => {
    const began = kind === 'run' && action === 'began' && notebook === active.path;
    if (began && settings.values.openOnRun && !sidebar.isShown) {
      sidebar.showBeside();
    }
  });
  MessageLoop.installMessageHook(widget, (_, { type }) => {
    if (type === 'after-show' || type === 'after-hide') {
      offered.app.commands.notifyCommandChanged(CommandIDs.togglePanel);
    }
    return true;
  });
  widget.disposed.connect(() => {
    for (const used of [following, added, panels, settings, active, relay, model, changes]) {
      used.dispose();
    }
  });
  return { model };
}

function partsOf(offered: Offered): Parts {
  const { app, tracker, rendermime, languages, translator } = offered;
  const { commands, serviceManager } = app;
  const trans = translator.load(TRANSLATION_DOMAIN);
  const api = new Api(serviceManager.serverSettings);
  const { events, connectionFailure: failure } = serviceManager;
  const changes = new Changes({ events, api, failure });
  const active = new ActiveNotebook(tracker);
  const documents = new Documents(app.shell, tracker, offered.docManager);
  const settings = new Settings(offered.registry);
  const relay = new Relay(api);
  const panels = new Panels({ shell: app.shell, settings, met: relay.met });
  const actionsOf = (model: () => PanelModel) =>
    new LabActions({
      api,
      model,
      active,
      documents,
      contents: serviceManager.contents,
      commands,
      trans
    });
  const view = (): RunView => {
    const model = new PanelModel({ api, changes });
    const actions = actionsOf(() => model);
    const widget = new RunPanel({ model, actions, rendermime, languages, translator });
    panels.add({ model, widget });
    return { model, widget };
  };
  const actions = actionsOf(() => panels.current);
  return { trans, settings, api, changes, relay, active, documents, panels, actions, view };
}

/** Add the commands, and put them where they are called from; return what takes them away. */
function commandsOf(
  offered: Offered,
  parts: Parts,
  model: PanelModel,
  sidebar: Sidebar
): IDisposable {
  const { app, labShell, palette, restorer, router } = offered;
  const { api, actions, active, documents, panels, trans, view } = parts;
  const show = (): void => sidebar.show();
  const opener = new Opener({ api, active, documents, model, show });
  const tabs = new RunTabs(app, trans, view);
  const added = addCommands(app.commands, {
    panels,
    actions,
    active,
    trans,
    fetchRun: runId => api.run(runId),
    fetchSessions: path => api.sessions(path),
    asking: new Asking(api, trans),
    show,
    hide: () => sidebar.hide(),
    isShown: () => sidebar.isShown,
    openRun: (runId, spanId, notebook) => opener.open({ runId, spanId, notebook }),
    openInTab: labShell && ((runId, spanId) => tabs.open(runId, spanId)),
    openLink: (path, search) => {
      const target = readLink(path, search);
      if (target !== null) {
        // The router waits for its commands, and Lab's layout for the router.
        void app.restored.then(() => actions.open(() => opener.follow(target)));
      }
    },
    canOpenSettings: () => app.commands.hasCommand(SETTINGS),
    openSettings: () => void app.commands.execute(SETTINGS, { query: 'RLM' })
  });
  for (const command of IN_PALETTE) {
    palette?.addItem({ command, category: trans.__('RLM') });
  }
  router?.register({ command: CommandIDs.openLink, pattern: LINK_PATTERN, rank: 20 });
  if (restorer) {
    tabs.restore(restorer);
  }
  return added;
}

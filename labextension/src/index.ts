/** What the extension adds to JupyterLab and Notebook 7: plugins, and what each needs of them. Wiring only. */
import {
  ILabShell,
  ILayoutRestorer,
  IRouter,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { activatePanel } from './activation';
import { Api } from './api/client';
import { setLocale } from './model/format';
import { ServerEndings } from './renderer/endings';
import { rendererFactories } from './renderer/factories';
import { Settings } from './settings';
import { StatusItem } from './status/item';
import { CommandIDs, IRunPanel, PluginIDs, TRANSLATION_DOMAIN } from './tokens';

const panel: JupyterFrontEndPlugin<IRunPanel> = {
  id: PluginIDs.panel,
  description: 'The panel that shows the runs of the active notebook, and its commands.',
  autoStart: true,
  provides: IRunPanel,
  requires: [INotebookTracker, IRenderMimeRegistry],
  optional: [
    ILabShell,
    ILayoutRestorer,
    ICommandPalette,
    ITranslator,
    ISettingRegistry,
    IEditorLanguageRegistry,
    IRouter,
    IDocumentManager
  ],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    rendermime: IRenderMimeRegistry,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null,
    registry: ISettingRegistry | null,
    languages: IEditorLanguageRegistry | null,
    router: IRouter | null,
    docManager: IDocumentManager | null
  ) =>
    activatePanel({
      app,
      tracker,
      rendermime,
      labShell,
      restorer,
      palette,
      translator: translator ?? nullTranslator,
      registry,
      languages,
      router,
      docManager
    })
};

const renderer: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.renderer,
  description: 'Shows runs in the outputs of cells, also those of saved notebooks.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [ITranslator],
  activate: (
    { commands, serviceManager }: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    translator: ITranslator | null
  ) => {
    setLocale((translator ?? nullTranslator).languageCode);
    const { events, serverSettings } = serviceManager;
    const endings = new ServerEndings(new Api(serverSettings), events);
    for (const factory of rendererFactories(commands, endings)) {
      rendermime.addFactory(factory);
    }
  }
};

const status: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.status,
  description: 'Shows in the status bar what the runs of the active notebook cost.',
  autoStart: true,
  requires: [IRunPanel],
  optional: [IStatusBar, ITranslator, ISettingRegistry],
  activate: (
    { commands }: JupyterFrontEnd,
    { model }: IRunPanel,
    statusBar: IStatusBar | null,
    translator: ITranslator | null,
    registry: ISettingRegistry | null
  ) => {
    if (statusBar === null) {
      // Notebook 7 has none.
      return;
    }
    const settings = new Settings(registry);
    const item = new StatusItem({
      model,
      trans: (translator ?? nullTranslator).load(TRANSLATION_DOMAIN),
      open: () => void commands.execute(CommandIDs.showPanel)
    });
    settings.changed.connect((_, values) => {
      item.isEnabled = values.costInStatusBar;
    });
    const registered = statusBar.registerStatusItem(PluginIDs.status, {
      item,
      align: 'left',
      rank: 40,
      isActive: () => item.isActive,
      activeStateChanged: item.isActiveChanged
    });
    item.disposed.connect(() => {
      settings.dispose();
      registered.dispose();
    });
  }
};

export default [panel, renderer, status];

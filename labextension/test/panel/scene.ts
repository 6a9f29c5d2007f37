/** A panel in the page, whose server answers as a test says. */
import { standardRendererFactories, RenderMimeRegistry } from '@jupyterlab/rendermime';
import { nullTranslator } from '@jupyterlab/translation';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { act, waitFor } from '@testing-library/react';

import type { Run, RunInFull, Session, SpanEvent, SpanHit, TextRecord } from '../../src/api/types';
import { PanelModel } from '../../src/model/panel';
import type { Actions } from '../../src/panel/actions';
import { RunPanel } from '../../src/panel/panel';
import { ScriptedSpans } from '../scripted_server';
import { run, runInFull, stage, type Stage } from '../stage';

/** What the user asked Lab for: the action's name and what it was given. */
export type Asked = [string, ...unknown[]];

/** What a scene begins with. */
export interface Script {
  events?: SpanEvent[];
  runs?: Run[];
  sessions?: Session[];
  texts?: Record<string, string | Partial<TextRecord>>;
  hits?: string[];
  /** Whether the server looked no further than these. */
  more?: boolean;
  /** Whether the start of the run is not among the events. */
  headless?: boolean;
  /** A type that another extension draws. */
  renders?: string;
  steered?: RunInFull['steered'];
  /** Whether the run `r` is over. */
  over?: boolean;
  question?: string;
}

/** jsdom lays nothing out: everything is this large. */
function layOut(): void {
  const size = (pixels: number): PropertyDescriptor => ({
    configurable: true,
    get: () => pixels
  });
  Object.defineProperty(HTMLElement.prototype, 'clientHeight', size(480));
  Object.defineProperty(HTMLElement.prototype, 'clientWidth', size(400));
  HTMLElement.prototype.scrollTo = function (this: HTMLElement, to?: ScrollToOptions | number) {
    this.scrollTop = typeof to === 'object' ? (to.top ?? 0) : 0;
    setTimeout(() => this.dispatchEvent(new Event('scroll')));
  };
  HTMLElement.prototype.setPointerCapture = () => undefined;
  globalThis.requestIdleCallback ??= callback => setTimeout(callback, 0);
}

/** Lab's renderers, and one of another extension. */
function registry(renders: string | undefined): RenderMimeRegistry {
  const found = new RenderMimeRegistry({ initialFactories: standardRendererFactories });
  if (renders !== undefined) {
    const [text] = standardRendererFactories.filter(each => each.mimeTypes.includes('text/plain'));
    found.addFactory({ ...text, mimeTypes: [renders] }, 0);
  }
  return found;
}

/** A panel that is shown. */
export class Scene {
  readonly asked: Asked[] = [];
  readonly spans: ScriptedSpans;
  steered: RunInFull['steered'];
  private readonly runs: Run[];

  private constructor(
    readonly stage: Stage,
    readonly script: Script,
    readonly model: PanelModel
  ) {
    this.spans = new ScriptedSpans('r', script.events ?? []);
    Object.assign(this.spans, script.over === false ? {} : { status: 'ok', whole: true });
    this.steered = script.steered ?? null;
    const own = { question: script.question ?? 'Which?', last_seq: this.spans.last_seq };
    const { status, whole } = this.spans;
    this.runs = script.runs ?? (script.events ? [run('r', { ...own, status, whole })] : []);
    this.answer();
  }

  /** Shows a panel; with a path it shows that notebook, and waits for its run. */
  static async open(script: Script, path: string | null = 'a.ipynb'): Promise<Scene> {
    layOut();
    const at = await stage();
    const model = new PanelModel(at);
    const scene = new Scene(at, script, model);
    const panel = new RunPanel({
      model,
      actions: scene.actions,
      rendermime: registry(script.renders),
      languages: null,
      translator: nullTranslator
    });
    act(() => Widget.attach(panel, document.body));
    scene.close = async () => {
      act(() => panel.dispose());
      model.dispose();
      await at.close();
    };
    scene.activate = () => MessageLoop.sendMessage(panel, Widget.Msg.ActivateRequest);
    act(() => model.setNotebook(path, 'k'));
    if (script.events && !script.headless) {
      await scene.until(() => document.querySelector('.jp-rlm-Row') !== null);
      await scene.until(() => model.run?.state !== 'loading');
      act(() => model.setTab('reply'));
    }
    return scene;
  }

  /** Takes it away. */
  close: () => Promise<void> = () => Promise.resolve();

  /** Has Lab give it the focus. */
  activate: () => void = () => undefined;

  /** Waits until it is so, with everything drawn that there is to draw. */
  async until(isSo: () => boolean): Promise<void> {
    await waitFor(
      () => {
        if (!isSo()) {
          throw new Error('It is not so.');
        }
      },
      { timeout: 4_000, interval: 10 }
    );
  }

  /** Has more events come, and waits until they are shown. */
  async add(...events: SpanEvent[]): Promise<void> {
    this.spans.add(...events);
    const { status, whole, last_seq } = this.spans;
    this.stage.server.announce({
      kind: 'run',
      action: 'advanced',
      run_id: 'r',
      notebook: 'a.ipynb',
      status,
      whole,
      last_seq
    });
    const { tree } = this.model.run!;
    const before = tree.version;
    await this.until(() => tree.version > before);
    await act(() => Promise.resolve());
  }

  private get actions(): Actions {
    const note =
      (name: string) =>
      (...given: unknown[]) => {
        this.asked.push([name, ...given]);
      };
    return {
      goToCell: note('goToCell'),
      insertCode: note('insertCode'),
      openTrace: note('openTrace'),
      copy: note('copy'),
      copyLink: note('copyLink'),
      exportRun: note('exportRun'),
      formats: runId => this.stage.api.artifacts(runId),
      replayRun: note('replayRun'),
      resumeRun: note('resumeRun'),
      interrupt: note('interrupt'),
      stop: note('stop'),
      pause: note('pause'),
      resume: note('resume'),
      note: note('note'),
      decide: note('decide'),
      newSession: note('newSession'),
      resumeSession: note('resumeSession'),
      deleteRun: note('deleteRun'),
      openInTab: note('openInTab'),
      openSettings: note('openSettings')
    };
  }

  private answer(): void {
    const { server } = this.stage;
    const { sessions = [], texts = {}, hits = [], more = false } = this.script;
    const standing = (): Partial<Run> => {
      const { status, whole, last_seq } = this.spans;
      return { status, whole, last_seq };
    };
    server.on('GET', 'sessions', { sessions, next: null });
    server.on('GET', 'runs', () => ({
      runs: this.runs.map(each => (each.run_id === 'r' ? { ...each, ...standing() } : each)),
      next: null
    }));
    server.on('GET', 'runs/*', () => ({
      ...runInFull(this.runs[0]),
      ...standing(),
      steered: this.steered
    }));
    server.on('GET', 'runs/*/spans', request => this.spans.answer(request));
    server.on('GET', 'runs/*/texts/*', ({ path }) => {
      const digest = path.split('/').at(-1)!;
      const text = texts[digest];
      const record = typeof text === 'string' ? { text } : text;
      return { digest, size: record.text?.length ?? 0, cut: false, media_type: null, ...record };
    });
    server.on('GET', 'runs/*/search', {
      hits: hits.map(span_id => ({ span_id }) as SpanHit),
      more
    });
    server.on('PUT', 'kernels/*/reviewer', {});
    server.on('DELETE', 'kernels/*/reviewer', {});
  }
}

import { Sanitizer } from '@jupyterlab/apputils';
import { MimeModel } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { CommandRegistry } from '@lumino/commands';

import type { Endings } from '../../src/renderer/endings';
import { rendererFactories } from '../../src/renderer/factories';
import { CommandIDs } from '../../src/tokens';

export const RUN_ID = '0123456789abcdef0123456789abcdef';

/** A parser that leaves Markdown as it is: what is tested is what becomes of the HTML in it. */
const verbatim = { render: (text: string) => Promise.resolve(text) };

export interface Shown {
  commands: CommandRegistry;
  node: HTMLElement;
  show(data: Record<string, unknown>): Promise<void>;
}

/** What opens a run. */
export type OpenRun = (runId: unknown) => void;

/** Commands among which is the panel's. */
export function addPanel(commands: CommandRegistry, openRun: OpenRun): void {
  commands.addCommand(CommandIDs.openRun, { execute: ({ run_id }) => openRun(run_id) });
}

/** Return whether there is a button to be seen. */
export function hasLink(node: HTMLElement): boolean {
  return node.querySelector('button:not([hidden])') !== null;
}

/** An output as Lab makes it: a renderer for its MIME type, with Lab's own sanitizer. */
export function output(
  mimeType: string,
  openRun: OpenRun | null = null,
  endings: Endings | null = null
): Shown {
  const commands = new CommandRegistry();
  if (openRun !== null) {
    addPanel(commands, openRun);
  }
  const factory = rendererFactories(commands, endings).find(one =>
    one.mimeTypes.includes(mimeType)
  );
  const renderer = factory!.createRenderer({
    mimeType,
    sanitizer: new Sanitizer(),
    resolver: null,
    linkHandler: null,
    latexTypesetter: null,
    markdownParser: verbatim
  });
  document.body.append(renderer.node);
  return {
    commands,
    node: renderer.node,
    show: data =>
      renderer.renderModel(new MimeModel({ data: data as IRenderMime.IMimeModel['data'] }))
  };
}

/** A run's bundle, as the Python side writes it. */
export function bundle(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    version: 1,
    run_id: RUN_ID,
    question: 'Which contract ends first?',
    answer: 'The **first** one.',
    answer_left_out: null,
    status: 'ok',
    error: null,
    model: 'gpt-5-mini',
    iterations: 2,
    subcalls: 10,
    children: 0,
    usage: { calls: 12, input_tokens: 41_200, output_tokens: 3_800, cost: 0.0134 },
    started: 100,
    ended: 112.4,
    spans: [],
    spans_left_out: 0,
    ...changes
  };
}

/** A span of a bundle. */
export function span(
  id: string,
  parent: string | null,
  kind: string,
  changes: Record<string, unknown> = {}
): Record<string, unknown> {
  return { id, parent, kind, name: id, started: 100, ended: 101, status: 'ok', ...changes };
}

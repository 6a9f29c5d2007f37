/** How runs ended of which their outputs cannot tell it, because the kernel died that wrote them. */
import type { Event } from '@jupyterlab/services';
import { Signal, type ISignal } from '@lumino/signaling';
import { SCHEMA_ID } from '../api/changes';
import type { Api } from '../api/client';
import type { RunInFull } from '../api/types';
import type { Figures } from './figures';

/** Where it can be known how a run ended. */
export interface Endings {
  /** Emitted with the id of a run that ended. */
  readonly ended: ISignal<unknown, string>;
  /** Return what a run came to; null when it is under way, or nobody knows. */
  figures(runId: string): Promise<Figures | null>;
}

/** Asks the server. */
export class ServerEndings implements Endings {
  private readonly _ended = new Signal<this, string>(this);

  /** `events` is the event bus, as Lab is connected to it. */
  constructor(
    private readonly api: Pick<Api, 'run'>,
    events: Pick<Event.IManager, 'stream'>
  ) {
    events.stream.connect(this.onEvent, this);
  }

  /** Emitted with the id of a run that ended. */
  get ended(): ISignal<this, string> {
    return this._ended;
  }

  /** Return what a run came to; null when it is under way, or the server does not know it or is not there. */
  async figures(runId: string): Promise<Figures | null> {
    try {
      const run = await this.api.run(runId);
      return run.status === null ? null : figuresOf(run);
    } catch {
      // The output stays as it is, which is all that it says by itself.
      return null;
    }
  }

  private onEvent(_: unknown, emission: Event.Emission): void {
    const { schema_id, action, run_id } = emission;
    if (schema_id === SCHEMA_ID && action === 'ended' && typeof run_id === 'string') {
      this._ended.emit(run_id);
    }
  }
}

function figuresOf(run: RunInFull): Figures {
  return {
    status: run.status,
    outOfIterations: false,
    model: run.model ?? '',
    iterations: run.iterations ?? 0,
    subcalls: run.subcalls ?? 0,
    children: run.children ?? 0,
    inputTokens: run.input_tokens ?? null,
    outputTokens: run.output_tokens ?? null,
    cost: run.cost ?? null,
    started: run.began ?? null,
    ended: run.ended ?? null
  };
}

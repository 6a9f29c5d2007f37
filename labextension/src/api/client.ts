/** The REST API of the server extension, an operation a method. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { Signal, type ISignal } from '@lumino/signaling';

import type {
  ControlAnswer,
  ControlRequest,
  Format,
  Health,
  Run,
  RunInFull,
  Session,
  SpanHit,
  SpansPage,
  TextRecord
} from './types';

/** Milliseconds after which a request counts as one that did not reach the server: a laptop slept, a network changed. */
const PATIENCE = 60_000;

const ROOT = 'rlm-jupyter';

/** What the server answered instead of what was asked for; the message says what to do. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  /** `status` is that of HTTP; 0: the server was not reached. */
  constructor(
    readonly status: number,
    message: string
  ) {
    super(message);
  }
}

/** Which runs of a notebook are wanted. */
export interface RunsQuery {
  session?: string;
  before?: string;
  limit?: number;
}

interface Asked {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  keepalive?: boolean;
  signal?: AbortSignal;
}

/** Asks the server, as Lab asks it: with its base URL, its token and its XSRF cookie. */
export class Api {
  private readonly _reached = new Signal<this, boolean>(this);
  private _isReached = true;

  constructor(private readonly settings: ServerConnection.ISettings) {}

  /** Emitted when the server is reached no more (false), or again (true). */
  get reached(): ISignal<this, boolean> {
    return this._reached;
  }

  /** How the extension is. */
  health(): Promise<Health> {
    return this.json(['health']);
  }

  /** The sessions of a notebook, the last one first. */
  async sessions(notebook: string, limit = 100): Promise<Session[]> {
    const query = { notebook, limit };
    return (await this.json<{ sessions: Session[] }>(['sessions'], { query })).sessions;
  }

  /** The runs of a notebook, the last one first; `next` goes into `before`. */
  runs(notebook: string, options: RunsQuery = {}): Promise<{ runs: Run[]; next: string | null }> {
    return this.json(['runs'], { query: { notebook, ...options } });
  }

  /** A run with its texts in full, and how it is steered. */
  run(id: string, signal?: AbortSignal): Promise<RunInFull> {
    return this.json(['runs', id], { signal });
  }

  /** Deletes a run that is over. */
  async deleteRun(id: string): Promise<void> {
    await this.ask(['runs', id], { method: 'DELETE' }, nothing);
  }

  /** The events of a run's spans from a number on. */
  spans(id: string, since: number, limit = 5000, signal?: AbortSignal): Promise<SpansPage> {
    return this.json(['runs', id, 'spans'], { query: { since, limit }, signal });
  }

  /** A text of a run. */
  text(id: string, digest: string, signal?: AbortSignal): Promise<TextRecord> {
    return this.json(['runs', id, 'texts', digest], { signal });
  }

  /** The spans of a run in which the words are. */
  searchRun(
    id: string,
    q: string,
    options: { kind?: string; limit?: number } = {},
    signal?: AbortSignal
  ): Promise<{ hits: SpanHit[]; more: boolean }> {
    return this.json(['runs', id, 'search'], { query: { q, ...options }, signal });
  }

  /** Steers a run that is under way. */
  control(id: string, body: ControlRequest): Promise<ControlAnswer> {
    return this.json(['runs', id, 'control'], { method: 'POST', body });
  }

  /** The formats that a run can be had in. */
  async artifacts(id: string): Promise<Format[]> {
    return (await this.json<{ artifacts: Format[] }>(['runs', id, 'artifacts'])).artifacts;
  }

  /** A run in one format, and a name for the file. */
  async artifact(id: string, format: string): Promise<{ blob: Blob; name: string }> {
    return this.ask(['runs', id, 'artifacts', format], {}, async response => {
      const disposition = response.headers.get('Content-Disposition') ?? '';
      return { blob: await response.blob(), name: fileName(disposition) ?? `${id}.${format}` };
    });
  }

  /** Says that this reviewer decides about the code blocks of a kernel; it holds for a minute. */
  async putReviewer(kernelId: string, reviewerId: string): Promise<void> {
    const body = { reviewer_id: reviewerId };
    await this.ask(reviewer(kernelId), { method: 'PUT', body }, nothing);
  }

  /** Says that it does no longer; this request outlives the page. */
  async deleteReviewer(kernelId: string, reviewerId: string): Promise<void> {
    const body = { reviewer_id: reviewerId };
    await this.ask(reviewer(kernelId), { method: 'DELETE', body, keepalive: true }, nothing);
  }

  /** Passes on what a gateway's kernel published, and returns what is to be passed on to it. */
  async relay(kernelId: string, messages: readonly object[]): Promise<object[]> {
    const asked: Asked = { method: 'POST', body: { messages } };
    return (await this.json<{ messages: object[] }>(['kernels', kernelId, 'messages'], asked))
      .messages;
  }

  private json<T>(parts: readonly string[], asked: Asked = {}): Promise<T> {
    return this.ask(parts, asked, response => response.json() as Promise<T>);
  }

  private async ask<T>(
    parts: readonly string[],
    asked: Asked,
    read: (response: Response) => Promise<T>
  ): Promise<T> {
    const patience = new AbortController();
    const stop = (): void => patience.abort();
    const timer = setTimeout(stop, PATIENCE);
    asked.signal?.addEventListener('abort', stop);
    try {
      asked.signal?.throwIfAborted();
      const init = initOf(asked, patience.signal);
      const url = this.url(parts, asked.query);
      const response = await ServerConnection.makeRequest(url, init, this.settings);
      if (isOfProxy(response)) {
        throw new Error(`${response.status} ${response.statusText}`);
      }
      this.note(true);
      if (!response.ok) {
        throw new ApiError(response.status, await messageOf(response));
      }
      return await read(response);
    } catch (error) {
      if (asked.signal?.aborted) {
        throw new ApiError(0, 'The request was called off.');
      }
      // Whatever else is thrown says that no server was reached, or that the connection broke in the middle.
      throw error instanceof ApiError ? error : this.lost(error);
    } finally {
      clearTimeout(timer);
      asked.signal?.removeEventListener('abort', stop);
    }
  }

  private url(parts: readonly string[], query: Asked['query'] = {}): string {
    if (parts.some(part => /^\.{0,2}$/.test(part))) {
      // Such a part would lead somewhere else.
      throw new ApiError(400, `There is nothing of this name: ${parts.join('/')}`);
    }
    const url = URLExt.join(this.settings.baseUrl, ROOT, ...parts.map(encodeURIComponent));
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
    return given.length > 0 ? `${url}?${search.toString()}` : url;
  }

  private lost(error: unknown): ApiError {
    this.note(false);
    return new ApiError(0, error instanceof Error ? error.message : String(error));
  }

  private note(isReached: boolean): void {
    if (isReached !== this._isReached) {
      this._isReached = isReached;
      this._reached.emit(isReached);
    }
  }
}

function initOf({ method = 'GET', body, keepalive }: Asked, signal: AbortSignal): RequestInit {
  const init: RequestInit = { method, signal };
  if (keepalive) {
    init.keepalive = true;
  }
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { 'Content-Type': 'application/json' };
  }
  return init;
}

function nothing(): Promise<void> {
  return Promise.resolve();
}

function reviewer(kernelId: string): string[] {
  return ['kernels', kernelId, 'reviewer'];
}

/** Whether a proxy answered because the server behind it does not: the server itself always answers in JSON. */
function isOfProxy(response: Response): boolean {
  const type = response.headers.get('Content-Type') ?? '';
  return [502, 503, 504].includes(response.status) && !type.includes('json');
}

async function messageOf(response: Response): Promise<string> {
  try {
    const told = (await response.json()) as { message?: unknown };
    if (typeof told.message === 'string' && told.message !== '') {
      return told.message;
    }
  } catch {
    // It is not ours, and not JSON: the status has to do.
  }
  return `${response.status} ${response.statusText}`.trim();
}

function fileName(disposition: string): string | null {
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(disposition)?.[1];
  if (encoded !== undefined) {
    try {
      return decodeURIComponent(encoded);
    } catch {
      return null;
    }
  }
  return /filename="?([^";]+)"?/i.exec(disposition)?.[1] ?? null;
}

/** A server over a real socket that answers as a test says, and remembers what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

import { ServerConnection } from '@jupyterlab/services';
import { WebSocketServer, type WebSocket } from 'ws';

import { SCHEMA_ID } from '../src/api/changes';
import type { Change, SpanEvent, SpansPage } from '../src/api/types';

/** What was asked. */
export interface Request {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Record<string, string | undefined>;
  body: unknown;
}

/** What is answered: the value as JSON, or more than that. */
export type Answer = { status: number; value?: unknown; headers?: Record<string, string> };

type Script = (request: Request) => Answer | object | Promise<Answer | object>;

/** The server. */
export class ScriptedServer {
  readonly requests: Request[] = [];
  /** Called with each socket that a page opens, and its path. */
  onSocket: (socket: WebSocket, path: string) => void = () => undefined;
  private readonly scripts: [string, RegExp, Script][] = [];
  private readonly sockets = new Map<WebSocket, string>();
  private server!: Server;
  private port = 0;

  static async start(): Promise<ScriptedServer> {
    const made = new ScriptedServer();
    await made.open();
    return made;
  }

  /** Lab's settings for it. */
  get settings(): ServerConnection.ISettings {
    const at = `127.0.0.1:${this.port}/user/me/`;
    return ServerConnection.makeSettings({
      baseUrl: `http://${at}`,
      wsUrl: `ws://${at}`,
      token: 'secret',
      appendToken: true
    });
  }

  /** Answers requests for something of the server's own. */
  onPath(method: string, path: string, script: Script | object): void {
    this.on(method, `/user/me/${path}`, script);
  }

  /** Answers requests whose path, below `rlm-jupyter/`, is this; what was said last counts. */
  on(method: string, path: string, script: Script | object): void {
    const pattern = new RegExp(`^${path.replace(/\*/g, '[^/]+')}$`);
    this.scripts.unshift([
      method,
      pattern,
      typeof script === 'function' ? (script as Script) : () => script
    ]);
  }

  /** What was asked of a path, in order. */
  asked(method: string, path: string): Request[] {
    return this.requests.filter(request => request.method === method && request.path === path);
  }

  /** Announces a change on the event bus. */
  announce(change: Change, schema = SCHEMA_ID): void {
    const emission = { schema_id: schema, ...change };
    for (const [socket, path] of this.sockets) {
      if (path.endsWith('api/events/subscribe')) {
        socket.send(JSON.stringify(emission));
      }
    }
  }

  /** Whether a page listens to the event bus. */
  get hasListener(): boolean {
    return [...this.sockets.values()].some(path => path.endsWith('api/events/subscribe'));
  }

  /** Goes away, until `open` is called. */
  async close(): Promise<void> {
    for (const socket of this.sockets.keys()) {
      socket.terminate();
    }
    this.sockets.clear();
    const closed = new Promise<void>(resolve => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }

  /** Comes, or comes back, at the same address. */
  async open(): Promise<void> {
    this.server = createServer((request, response) => void this.serve(request, response));
    const accepting = new WebSocketServer({ noServer: true, handleProtocols: () => false });
    this.server.on('upgrade', (request, socket, head) => {
      accepting.handleUpgrade(request, socket, head, accepted => {
        const path = new URL(request.url!, 'http://localhost').pathname;
        this.sockets.set(accepted, path);
        accepted.on('close', () => this.sockets.delete(accepted));
        this.onSocket(accepted, path);
      });
    });
    await new Promise<void>(resolve => this.server.listen(this.port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'http://localhost');
    const path = decodeURIComponent(url.pathname.replace('/user/me/rlm-jupyter/', ''));
    const { method = '', headers } = request;
    const asked: Request = {
      method,
      path,
      query: url.searchParams,
      headers,
      body: await bodyOf(request)
    };
    this.requests.push(asked);
    const script = this.scripts.find(
      ([verb, pattern]) => verb === method && pattern.test(path)
    )?.[2];
    const said = script ? await script(asked) : { status: 404, value: { message: `No ${path}.` } };
    const answer: Answer =
      'status' in said && typeof said.status === 'number'
        ? (said as Answer)
        : { status: 200, value: said };
    response.writeHead(answer.status, { 'Content-Type': 'application/json', ...answer.headers });
    response.end(answer.value === undefined ? '' : JSON.stringify(answer.value));
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const part of request) {
    text += decoder.decode(part, { stream: true });
  }
  return text === '' ? undefined : JSON.parse(text);
}

/** The events of a run as the server gives them out; numbers that no event has are those of texts. */
export class ScriptedSpans {
  status: SpansPage['status'] = null;
  whole = false;
  missing: [number, number][] = [];
  /** Events of a page, at most. */
  page = Infinity;

  constructor(
    private readonly runId: string,
    public events: SpanEvent[] = [],
    public last_seq = events.at(-1)?.seq ?? -1
  ) {}

  /** Adds events, the last of which is the run's last. */
  add(...events: SpanEvent[]): void {
    this.events = [...this.events, ...events].sort((one, other) => one.seq - other.seq);
    this.last_seq = Math.max(this.last_seq, this.events.at(-1)!.seq);
  }

  answer = ({ query }: Request): SpansPage & Record<string, unknown> => {
    const since = Number(query.get('since'));
    const limit = Math.min(Number(query.get('limit')), this.page);
    const there = this.events.filter(({ seq }) => seq >= since && !this.isMissing(seq));
    const events = there.slice(0, limit);
    const more = events.length === limit;
    const last = events.at(-1)?.seq ?? since - 1;
    return {
      run_id: this.runId,
      status: this.status,
      whole: this.whole,
      last_seq: this.last_seq,
      missing: this.missing,
      next: more ? last + 1 : Math.max(last, this.last_seq, since - 1) + 1,
      more,
      events
    };
  };

  private isMissing(seq: number): boolean {
    return this.missing.some(([from, to]) => from <= seq && seq <= to);
  }
}

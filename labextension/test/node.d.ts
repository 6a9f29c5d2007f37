/** The little of Node that the tests use; its own types would come into the extension's code as well. */
declare module 'node:http' {
  export interface IncomingMessage extends AsyncIterable<Uint8Array> {
    method?: string;
    url?: string;
    headers: Record<string, string | undefined>;
  }
  export interface ServerResponse {
    writeHead(status: number, headers: Record<string, string>): this;
    end(body?: string): this;
    destroy(): void;
  }
  export interface Server {
    listen(port: number, host: string, done: () => void): this;
    address(): { port: number };
    close(done?: () => void): void;
    closeAllConnections(): void;
    on(
      event: 'upgrade',
      heard: (request: IncomingMessage, socket: unknown, head: unknown) => void
    ): this;
  }
  export function createServer(
    answer: (request: IncomingMessage, response: ServerResponse) => void
  ): Server;
}

declare module 'ws' {
  import type { IncomingMessage } from 'node:http';

  export class WebSocket {
    send(text: string): void;
    close(): void;
    terminate(): void;
    on(event: 'message' | 'close', heard: (data: { toString(): string }) => void): this;
  }
  export class WebSocketServer {
    constructor(options: { noServer: true; handleProtocols: () => false });
    handleUpgrade(
      request: IncomingMessage,
      socket: unknown,
      head: unknown,
      done: (socket: WebSocket) => void
    ): void;
  }
}

declare function setImmediate(work: (value?: unknown) => void): void;

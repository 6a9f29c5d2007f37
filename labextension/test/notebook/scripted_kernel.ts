/** The kernel's side of a page's socket, with the extension loaded in it, as a test says. */
import type { WebSocket } from 'ws';

import type { ScriptedServer } from '../scripted_server';

interface Message {
  channel: string;
  header: { msg_type: string; msg_id: string };
  content: { comm_id?: string; subshell_id?: string; data?: { type: string } };
}

/** A kernel with one comm of the extension. */
export class ScriptedKernel {
  /** What the page said to the extension, and on which channel. */
  readonly heard: { data: { type: string }; channel: string }[] = [];
  /** How often a page closed a comm, which it does when it knows nothing of it. */
  closed = 0;
  /** How often a page was connected, and asked who is there. */
  met = 0;
  /** Its subshells; null: it knows of none. */
  subshells: Set<string> | null = null;
  readonly sockets = new Set<WebSocket>();
  private session = 'first';
  private sent = 0;

  constructor(
    server: ScriptedServer,
    readonly kernelId: string,
    public commId: string | null = null
  ) {
    const before = server.onSocket;
    server.onSocket = (socket, path) => {
      if (path.endsWith(`api/kernels/${kernelId}/channels`)) {
        this.attend(socket);
      } else {
        before(socket, path);
      }
    };
    const model = { id: kernelId, name: 'python3', execution_state: 'idle', connections: 1 };
    server.onPath('GET', `api/kernels/${kernelId}`, model);
  }

  /** The extension is loaded, and says hello. */
  load(commId: string, reach = 'subshell'): void {
    this.commId = commId;
    const data = { type: 'hello', reach };
    this.publish('comm_open', { comm_id: commId, target_name: 'rlm_jupyter', data });
  }

  /** The extension says something. */
  say(words: object): void {
    this.publish('comm_msg', { comm_id: this.commId, data: words });
  }

  /** It begins anew, without the extension. */
  restart(): void {
    this.publish('status', { execution_state: 'restarting' });
    this.commId = null;
    this.session = 'second';
  }

  private attend(socket: WebSocket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('message', text => this.answer(socket, JSON.parse(text.toString()) as Message));
  }

  private answer(socket: WebSocket, { channel, header, content }: Message): void {
    if (header.msg_type === 'kernel_info_request') {
      this.met += 1;
      const told = {
        status: 'ok',
        protocol_version: '5.4',
        implementation: 'scripted',
        implementation_version: '1',
        language_info: { name: 'python', version: '3' },
        banner: '',
        supported_features: this.subshells === null ? [] : ['kernel subshells'],
        help_links: []
      };
      this.send(socket, 'shell', 'kernel_info_reply', told, header);
    } else if (header.msg_type === 'comm_info_request') {
      const comms = this.commId === null ? {} : { [this.commId]: { target_name: 'rlm_jupyter' } };
      this.send(socket, 'shell', 'comm_info_reply', { status: 'ok', comms }, header);
    } else if (header.msg_type === 'create_subshell_request') {
      const subshell_id = `s${this.sent}`;
      this.subshells?.add(subshell_id);
      this.send(socket, 'control', 'create_subshell_reply', { status: 'ok', subshell_id }, header);
    } else if (header.msg_type === 'delete_subshell_request') {
      this.subshells?.delete(content.subshell_id ?? '');
      this.send(socket, 'control', 'delete_subshell_reply', { status: 'ok' }, header);
    } else if (header.msg_type === 'comm_msg' && content.comm_id === this.commId) {
      this.heard.push({ data: content.data!, channel });
      return;
    } else if (header.msg_type === 'comm_close') {
      this.closed += 1;
      return;
    }
    this.send(socket, 'iopub', 'status', { execution_state: 'idle' }, header);
  }

  private publish(type: string, content: object): void {
    for (const socket of this.sockets) {
      this.send(socket, 'iopub', type, content, {});
    }
  }

  private send(
    socket: WebSocket,
    channel: string,
    type: string,
    content: object,
    parent: object
  ): void {
    const header = {
      msg_id: `m${this.sent++}`,
      msg_type: type,
      username: 'kernel',
      session: this.session,
      date: '',
      version: '5.4'
    };
    const message = { channel, header, parent_header: parent, metadata: {}, content, buffers: [] };
    socket.send(JSON.stringify(message));
  }
}

/** A page's connection to a kernel, as far as the extension in that kernel talks over it. */
import { KernelMessage, type Kernel } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

/** The comm target that kernels open; the ids of their comms begin with it. */
const TARGET = 'rlm_jupyter';

/** Milliseconds that a comm may take to get a subshell, on which a kernel hears while a cell runs. */
const SUBSHELL = 2_000;

/** Since Lab 4.4; it never starts where the kernel has no subshells, or the user wants none. */
type SubshellComm = Omit<Kernel.IComm, 'commsOverSubshells'> & {
  readonly subshellStarted?: Promise<void>;
  commsOverSubshells?: string;
};

/** One connection to one kernel. It hears what the extension says there, and says to it what it is told to. */
export class KernelLine implements IDisposable {
  private readonly _said = new Signal<this, JSONObject>(this);
  private readonly _met = new Signal<this, void>(this);
  private readonly _lost = new Signal<this, void>(this);
  private comm: Kernel.IComm | null = null;
  private commId: string | null = null;
  private reach: unknown = null;
  private isSpared = false;
  private order: Promise<void> = Promise.resolve();
  private _isDisposed = false;

  constructor(readonly kernel: Kernel.IKernelConnection) {
    kernel.iopubMessage.connect(this.onMessage, this);
    kernel.statusChanged.connect(this.onStatus, this);
    kernel.disposed.connect(this.dispose, this);
    if (kernel.handleComms) {
      // What it says is heard as it comes, whether or not the page was there when the comm was opened.
      kernel.registerCommTarget(TARGET, this.onComm);
    }
    void this.askWhoIsThere();
  }

  /** Emitted with what the extension in the kernel says. */
  get said(): ISignal<this, JSONObject> {
    return this._said;
  }

  /** Emitted when it is known that the extension is in the kernel. */
  get met(): ISignal<this, void> {
    return this._met;
  }

  /** Emitted when the kernel begins anew, or takes the extension out. */
  get lost(): ISignal<this, void> {
    return this._lost;
  }

  /** Whether the extension is in the kernel, as far as is known. */
  get isMet(): boolean {
    return this.commId !== null;
  }

  /** Whether it hears and says nothing any more. */
  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Says something to the extension, after what was said before. */
  say(words: JSONObject): void {
    this.order = this.order.then(() => this.send(words));
  }

  /** Notes that nothing will be said over it: the server does that itself. The kernel keeps no subshell for it. */
  spare(): void {
    if (!this.isSpared && this.comm !== null) {
      void this.giveBack(this.comm);
    }
    this.isSpared = true;
  }

  /** Hears and says nothing any more. */
  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this.kernel.iopubMessage.disconnect(this.onMessage, this);
    this.kernel.statusChanged.disconnect(this.onStatus, this);
    this.kernel.disposed.disconnect(this.dispose, this);
    if (!this.kernel.isDisposed) {
      this.kernel.removeCommTarget(TARGET, this.onComm);
    }
    this._lost.emit();
    Signal.clearData(this);
  }

  private readonly onComm = (comm: Kernel.IComm): void => {
    this.comm = comm;
    if (this.isSpared) {
      void this.giveBack(comm);
    }
  };

  /** Give back the subshell that Lab gets for every comm; Lab would send the comm's end if it knew nothing of it. */
  private async giveBack(comm: SubshellComm): Promise<void> {
    try {
      await comm.subshellStarted;
    } catch {
      return;
    }
    if (!comm.isDisposed && !this.kernel.isDisposed && comm.subshellStarted) {
      comm.commsOverSubshells = 'disabled';
    }
  }

  /** A page that is opened later has seen no comm being opened. */
  private async askWhoIsThere(): Promise<void> {
    try {
      const { content } = await this.kernel.requestCommInfo({ target_name: TARGET });
      const found =
        content.status === 'ok' ? Object.keys(content.comms).filter(isOurs).at(-1) : undefined;
      if (found !== undefined && this.commId === null && !this._isDisposed) {
        this.meet(found);
      }
    } catch {
      // The kernel ended, or begins anew, before it answered: then it opens its comm itself.
    }
  }

  private onMessage(_: unknown, message: KernelMessage.IIOPubMessage): void {
    const type = message.header.msg_type;
    if (type !== 'comm_open' && type !== 'comm_msg' && type !== 'comm_close') {
      return;
    }
    const { comm_id, data } = message.content as KernelMessage.ICommMsgMsg['content'];
    if (!isOurs(comm_id)) {
      return;
    }
    if (type === 'comm_close') {
      if (comm_id === this.commId) {
        this.lose();
      }
      return;
    }
    if (comm_id !== this.commId) {
      this.meet(comm_id);
    }
    if (data?.type === 'hello') {
      this.reach = data.reach;
      this._met.emit();
    }
    this._said.emit(data);
  }

  private onStatus(_: unknown, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting' || status === 'dead') {
      this.lose();
    }
  }

  private meet(commId: string): void {
    this.commId = commId;
    this._met.emit();
  }

  private lose(): void {
    this.comm = null;
    this.commId = null;
    this.reach = null;
    this._lost.emit();
  }

  private async send(words: JSONObject): Promise<void> {
    if (this.commId === null || this.kernel.isDisposed) {
      return;
    }
    try {
      const comm = this.reach === 'control' ? null : await this.ready(this.commId);
      if (comm !== null) {
        comm.send(words);
      } else {
        this.sendPlainly(this.commId, words);
      }
    } catch {
      // The connection went meanwhile; whoever wants it said says it again when the kernel is back.
    }
  }

  /** The comm, once it has the subshell that Lab gives it where the kernel has any. */
  private async ready(commId: string): Promise<SubshellComm | null> {
    const { kernel } = this;
    if (this.comm === null || this.comm.isDisposed || this.comm.commId !== commId) {
      if (!kernel.handleComms || kernel.hasComm(commId)) {
        return null;
      }
      this.comm = kernel.createComm(TARGET, commId);
    }
    const comm: SubshellComm = this.comm;
    // Lab 4.2 knows of no subshells.
    if ((kernel as { supportsSubshells?: boolean }).supportsSubshells && comm.subshellStarted) {
      const late = new Promise<void>(resolve => setTimeout(resolve, SUBSHELL));
      await Promise.race([comm.subshellStarted.catch(() => undefined), late]);
    }
    return comm;
  }

  /** Say it without a comm: on the control channel, which an ipykernel without subshells reads while a cell runs. */
  private sendPlainly(commId: string, data: JSONObject): void {
    const { kernel } = this;
    const made = {
      msgType: 'comm_msg' as const,
      username: kernel.username,
      session: kernel.clientId,
      content: { comm_id: commId, data }
    };
    if (this.reach === 'control') {
      const message = KernelMessage.createMessage<KernelMessage.ICommMsgMsg<'shell'>>({
        ...made,
        channel: 'shell'
      });
      const onControl = {
        ...message,
        channel: 'control'
      } as unknown as KernelMessage.IControlMessage;
      kernel.sendControlMessage(onControl, false, true);
    } else {
      const message = KernelMessage.createMessage<KernelMessage.ICommMsgMsg<'shell'>>({
        ...made,
        channel: 'shell'
      });
      kernel.sendShellMessage(message, false, true);
    }
  }
}

function isOurs(commId: unknown): commId is string {
  return typeof commId === 'string' && commId.startsWith(`${TARGET}-`);
}

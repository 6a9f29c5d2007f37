import type { SpanText } from '../api/types';

/** A reply while it comes: its pieces in whatever order they come, each once. */
export class Written {
  private readonly _pieces: SpanText[] = [];
  private _text = '';

  /** What has come of it. */
  get text(): string {
    return this._text;
  }

  /** Take a piece in; return whether it is new. */
  take(piece: SpanText): boolean {
    const pieces = this._pieces;
    let at = pieces.length;
    while (at > 0 && pieces[at - 1].seq > piece.seq) {
      at--;
    }
    if (at > 0 && pieces[at - 1].seq === piece.seq) {
      return false;
    }
    pieces.splice(at, 0, piece);
    const isLast = at === pieces.length - 1;
    this._text = isLast ? added(this._text, piece) : pieces.reduce(added, '');
    return true;
  }
}

/** The replies of a run while they come, by span. */
export class Writing {
  private readonly _replies = new Map<string, Written>();

  /** The reply to the call that is this span. */
  of(spanId: string): Written {
    let reply = this._replies.get(spanId);
    if (reply === undefined) {
      reply = new Written();
      this._replies.set(spanId, reply);
    }
    return reply;
  }

  /** Take a piece in; return how many were new. */
  take(piece: SpanText): number {
    return this.of(piece.span_id).take(piece) ? 1 : 0;
  }

  /** Forget everything. */
  clear(): void {
    this._replies.clear();
  }
}

function added(text: string, piece: SpanText): string {
  return piece.anew ? piece.text : text + piece.text;
}

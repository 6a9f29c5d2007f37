/** A note to the model, which it is told before its next iteration. */
import type { KeyboardEvent, ReactElement } from 'react';
import { useEffect, useRef } from 'react';

import { Button } from './button';
import { useDraft } from './drafts';
import { useSurroundings } from './surroundings';

/** The name of the draft of a run's note. */
export function noteDraft(runId: string): string {
  return `note ${runId}`;
}

interface NoteProps {
  runId: string;
  /** Whether the run is under way; afterwards what was written stays, and cannot be sent. */
  live: boolean;
  /** Whether the user has just asked for it, and goes on by writing. */
  focus: boolean;
  /** Whether the server is reached. */
  reached: boolean;
  onSend: (text: string) => void;
  onClose: () => void;
}

/** Where a note is written: Ctrl+Enter sends it, Escape leaves it. */
export function Note(props: NoteProps): ReactElement | null {
  const { runId, live, focus, reached, onSend, onClose } = props;
  const { trans } = useSurroundings();
  const [text, setText] = useDraft(noteDraft(runId));
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    if (focus) {
      field.current?.focus();
    }
  }, [focus]);
  const isSendable = live && reached && text.trim() !== '';
  const leave = (): void => {
    setText(null);
    onClose();
  };
  const send = (): void => {
    if (isSendable) {
      onSend(text.trim());
      leave();
    }
  };
  if (!live && text.trim() === '') {
    return null;
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      leave();
    } else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      send();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div className="jp-rlm-Note">
      <textarea
        ref={field}
        rows={2}
        dir="auto"
        data-lm-suppress-shortcuts="true"
        title={trans.__('Ctrl+Enter sends it')}
        aria-label={trans.__('Note to the model')}
        placeholder={trans.__(
          'What the model should know before its next iteration (Ctrl+Enter sends it)'
        )}
        value={text}
        onChange={event => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <Button label={trans.__('Send')} tone="primary" disabled={!isSendable} onClick={send} />
      <Button label={trans.__('Cancel')} onClick={leave} />
      {!live && <p className="jp-rlm-dim">{trans.__('The run ended before it was sent.')}</p>}
    </div>
  );
}

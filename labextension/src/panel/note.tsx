/** A note to the model, which it is told before its next iteration. */
import type { KeyboardEvent, ReactElement } from 'react';
import { useEffect, useRef, useState } from 'react';

import { Button } from './button';
import { useSurroundings } from './surroundings';

interface NoteProps {
  onSend: (text: string) => void;
  onClose: () => void;
}

/** Where a note is written: Ctrl+Enter sends it, Escape leaves it. */
export function Note({ onSend, onClose }: NoteProps): ReactElement {
  const { trans } = useSurroundings();
  const [text, setText] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  const send = (): void => {
    if (text.trim()) {
      onSend(text.trim());
      onClose();
    }
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      onClose();
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
        aria-label={trans.__('Note to the model')}
        placeholder={trans.__('What the model should know before its next iteration')}
        value={text}
        onChange={event => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <Button label={trans.__('Send')} tone="primary" disabled={!text.trim()} onClick={send} />
      <Button label={trans.__('Cancel')} onClick={onClose} />
    </div>
  );
}

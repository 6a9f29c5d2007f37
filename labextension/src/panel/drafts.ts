/** What the user wrote and did not send yet: it outlives the views, which come and go with what is shown. */
import { useCallback, useState } from 'react';

/** How many drafts are kept; the oldest one goes. */
const KEPT = 100;

const drafts = new Map<string, string>();

function keep(key: string, text: string | null): void {
  drafts.delete(key);
  if (text !== null) {
    drafts.set(key, text);
    const [oldest] = drafts.keys();
    if (drafts.size > KEPT) {
      drafts.delete(oldest);
    }
  }
}

/** Whether there is a draft of this name. */
export function hasDraft(key: string): boolean {
  return drafts.has(key);
}

/** Drops a draft, for what is in it was sent; who shows it still has it. */
export function dropDraft(key: string): void {
  keep(key, null);
}

/** A draft, what it begins as, and how it is changed; null drops it. */
export function useDraft(key: string, beginning = ''): [string, (text: string | null) => void] {
  const [text, setText] = useState(() => drafts.get(key) ?? beginning);
  const change = useCallback(
    (next: string | null) => {
      keep(key, next === beginning ? null : next);
      setText(next ?? beginning);
    },
    [key, beginning]
  );
  return [text, change];
}

/** The last line: from the panel back to the notebook. */
import { copyIcon } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';
import { memo } from 'react';

import type { PanelModel } from '../model/panel';
import type { Span } from '../model/span';
import type { AnyRun } from './actions';
import { Button, Icon } from './button';
import { codeOf } from './detail/block';
import { blocksOf } from './detail/tabs';
import { useSurroundings } from './surroundings';

function codeIn(span: Span | null): string {
  if (span?.kind === 'code') {
    return codeOf(span);
  }
  return span?.kind === 'iteration' ? blocksOf(span).map(codeOf).join('\n\n') : '';
}

/** What the copy button copies of a span: its reply, its answer, its code, or else its events. */
async function textIn(model: PanelModel, span: Span | null): Promise<string> {
  const payload = span?.end?.payload;
  const events = JSON.stringify({ start: span?.start, end: span?.end }, null, 2);
  if (payload && 'reply' in payload && payload.reply && model.run) {
    // A text that cannot be had: then what is known of it.
    const record = await model.run.texts.whole(payload.reply).catch(() => null);
    return record?.text ?? events;
  }
  if (span?.kind === 'run' && payload?.kind === 'run') {
    return (span.parent === null ? model.run?.run?.answer : null) ?? payload.answer ?? '';
  }
  return codeIn(span) || events;
}

interface FootProps {
  model: PanelModel;
  known: AnyRun;
  /** What is chosen; null for a group. */
  span: Span | null;
  /** Changes when something of the span may have changed. */
  stamp: string;
}

/** The buttons at the foot of the panel. */
export const Foot = memo(function Foot({ model, known, span }: FootProps): ReactElement {
  const { trans, actions } = useSurroundings();
  const code = codeIn(span);
  const copy = (): void => {
    void textIn(model, span).then(text => actions.copy(text));
  };
  return (
    <div className="jp-rlm-Foot" role="group" aria-label={trans.__('What to do with it')}>
      <Button
        label={trans.__('Go to cell')}
        disabled={!known.cell_id}
        onClick={() => actions.goToCell(known)}
      />
      <Button
        label={trans.__('Insert as cell')}
        disabled={!code}
        onClick={() => actions.insertCode(code)}
      />
      <Button label={trans.__('Open trace notebook')} onClick={() => actions.openTrace(known)} />
      <span className="jp-rlm-grow" />
      <Button label={trans.__('Copy')} disabled={!span} onClick={copy}>
        <Icon icon={copyIcon} /> {trans.__('Copy')}
      </Button>
    </div>
  );
});

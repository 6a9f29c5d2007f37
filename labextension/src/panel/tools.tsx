/** What finds a span: search, filters, the next error; and whether the view goes along with the run. */
import type { KeyboardEvent, ReactElement } from 'react';

import { count } from '../model/format';
import type { PanelModel } from '../model/panel';
import type { RunModel } from '../model/run';
import { Badge, Button, Sign } from './button';
import { FilterMenu } from './filter';
import { useSurroundings } from './surroundings';

interface ToolsProps {
  model: PanelModel;
  run: RunModel;
  onTree: () => void;
}

function SearchBox({ model, onTree }: { model: PanelModel; onTree: () => void }): ReactElement {
  const { trans } = useSurroundings();
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && model.query) {
      model.setQuery('');
    } else if (event.key === 'Enter' || event.key === 'Escape') {
      onTree();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <input
      type="search"
      dir="auto"
      data-lm-suppress-shortcuts="true"
      aria-label={trans.__('Search in the run')}
      placeholder={trans.__('Search code, output, prompts')}
      value={model.query}
      onChange={event => model.setQuery(event.target.value)}
      onKeyDown={onKeyDown}
    />
  );
}

/** The line of tools above the tree. */
export function Tools({ model, run, onTree }: ToolsProps): ReactElement {
  const { trans } = useSurroundings();
  const errors = run.tree.errors.length;
  return (
    <div className="jp-rlm-Tools" data-rlm-part="tools">
      <div className="jp-rlm-line">
        <SearchBox model={model} onTree={onTree} />
        <FilterMenu model={model} run={run} />
        <Button
          label={trans.__('Next error')}
          title={trans._n('%1 error: go to the next', '%1 errors: go to the next', errors)}
          tone={errors > 0 ? 'error' : 'plain'}
          disabled={errors === 0}
          onClick={() => model.nextError(1)}
        >
          <Sign>⚠</Sign> <Badge number={count(errors)} />{' '}
          <span className="jp-rlm-wordy">{trans.__('Next error')}</span>
        </Button>
        <Button
          label={trans.__('Follow')}
          title={trans.__('Follow the run')}
          pressed={model.follow}
          onClick={() => model.setFollow(!model.follow)}
        >
          <Sign>⤓</Sign> <span className="jp-rlm-wordy">{trans.__('Follow')}</span>
        </Button>
      </div>
      {model.searchProblem && <p className="jp-rlm-warn">{model.searchProblem.slice(0, 300)}</p>}
      {model.hits && (
        <div className="jp-rlm-dim">
          {model.hits.size === 0
            ? trans.__('Nothing was found.')
            : trans._n('Found in %1 span.', 'Found in %1 spans.', model.hits.size)}
        </div>
      )}
    </div>
  );
}

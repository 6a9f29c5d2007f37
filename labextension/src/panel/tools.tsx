/** What finds a span: search, filters, the next error; and whether the view goes along with the run. */
import { collapseAllIcon, expandAllIcon } from '@jupyterlab/ui-components';
import type { KeyboardEvent, ReactElement } from 'react';
import { memo } from 'react';

import { count } from '../model/format';
import type { PanelModel } from '../model/panel';
import type { RunModel } from '../model/run';
import { Badge, Button, Icon, Sign } from './button';
import { FilterMenu } from './filter';
import { useSurroundings } from './surroundings';

interface ToolsProps {
  model: PanelModel;
  run: RunModel;
  /** How many spans failed. */
  errors: number;
  /** How many models the filter offers. */
  models: number;
  follow: boolean;
  query: string;
  /** Changes when what the filter or the search shows is different. */
  stamp: string;
  onTree: () => void;
}

interface SearchBoxProps {
  model: PanelModel;
  query: string;
  onTree: () => void;
}

function SearchBox({ model, query, onTree }: SearchBoxProps): ReactElement {
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
      title={trans.__('Search code, output, prompts')}
      placeholder={trans.__('Search code, output, prompts')}
      value={query}
      onChange={event => model.setQuery(event.target.value)}
      onKeyDown={onKeyDown}
    />
  );
}

function Found({ model }: { model: PanelModel }): ReactElement | null {
  const { trans } = useSurroundings();
  const { hits, searchIncomplete } = model;
  if (hits === null) {
    return null;
  }
  const number = count(hits.size);
  const found =
    hits.size > 0
      ? trans._n('Found in %2 span.', 'Found in %2 spans.', hits.size, number)
      : searchIncomplete
        ? trans.__('Nothing was found so far.')
        : trans.__('Nothing was found.');
  return (
    <div className="jp-rlm-dim">
      {found}
      {searchIncomplete &&
        ` ${trans.__('There was too much to look through all of it: narrow the search.')}`}
    </div>
  );
}

function Folding({ model }: { model: PanelModel }): ReactElement {
  const { trans } = useSurroundings();
  return (
    <span className="jp-rlm-Folding">
      <Button label={trans.__('Unfold all')} onClick={() => model.expandAll()}>
        <Icon icon={expandAllIcon} />
      </Button>
      <Button label={trans.__('Fold all')} onClick={() => model.collapseAll()}>
        <Icon icon={collapseAllIcon} />
      </Button>
    </span>
  );
}

/** Tells apart what the tools show of a search and a filter. */
export function toolsStamp({ filter, hits, searchProblem, searchIncomplete }: PanelModel): string {
  const chosen = [filter.kinds, filter.statuses, filter.models].map(set => [...(set ?? [])]);
  return JSON.stringify([chosen, hits?.size, searchProblem, searchIncomplete]);
}

/** The line of tools above the tree. */
export const Tools = memo(function Tools(props: ToolsProps): ReactElement {
  const { model, run, errors, follow, query, onTree } = props;
  const { trans } = useSurroundings();
  return (
    <div className="jp-rlm-Tools" data-rlm-part="tools">
      <div className="jp-rlm-line">
        <SearchBox model={model} query={query} onTree={onTree} />
        <FilterMenu model={model} run={run} />
        {errors > 0 && (
          <Button
            label={trans.__('Next error')}
            title={trans._n(
              '%2 error: go to the next',
              '%2 errors: go to the next',
              errors,
              count(errors)
            )}
            tone="error"
            onClick={() => model.nextError(1)}
          >
            <Sign>⚠</Sign> <Badge number={count(errors)} />{' '}
            <span className="jp-rlm-wordy">{trans.__('Next error')}</span>
          </Button>
        )}
        <Button
          label={trans.__('Follow')}
          title={trans.__('Follow the run')}
          pressed={follow}
          onClick={() => model.setFollow(!follow)}
        >
          <Sign>⤓</Sign> <span className="jp-rlm-wordy">{trans.__('Follow')}</span>
        </Button>
        <Folding model={model} />
      </div>
      {model.searchProblem && <p className="jp-rlm-warn">{model.searchProblem.slice(0, 300)}</p>}
      <Found model={model} />
    </div>
  );
});

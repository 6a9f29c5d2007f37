/** The whole panel, from the first line to the last. */
import type { KeyboardEvent, ReactElement, RefObject } from 'react';
import { useEffect, useMemo, useRef, useState } from 'react';

import type { Session } from '../api/types';
import type { PanelModel } from '../model/panel';
import type { RunModel } from '../model/run';
import type { Span } from '../model/span';
import type { AnyRun } from './actions';
import { cycle, focusPart } from './cycle';
import { Detail } from './detail/detail';
import { stampOf } from './detail/stamp';
import { Foot } from './foot';
import { Header } from './header';
import { Live } from './live';
import { Review } from './review';
import { Runs } from './runs';
import { Split } from './split';
import { standingOf } from './standing';
import { State, type StateName } from './states';
import { useSteady } from './steady';
import { useSignal, useSurroundings } from './surroundings';
import { Tools, toolsStamp } from './tools';
import { Top } from './top';
import { Tree } from './tree';

/** From how many pixels on the detail stands beside the tree. */
const WIDE = 900;

const NONE: readonly Session[] = [];

function useWide(view: RefObject<HTMLElement>): boolean {
  const [wide, setWide] = useState(false);
  useEffect(() => {
    if (!view.current) {
      return;
    }
    const observer = new ResizeObserver(entries => {
      setWide((entries.at(-1)?.contentRect.width ?? 0) > WIDE);
    });
    observer.observe(view.current);
    return () => observer.disconnect();
  }, [view]);
  return wide;
}

function NoRun({ run }: { run: RunModel }): ReactElement {
  if (run.state === 'gone') {
    return <State name="gone" />;
  }
  if (run.state === 'unknown') {
    return <State name="unknown" onRetry={() => run.refresh()} />;
  }
  if (run.isHeadless || (run.state === 'over' && run.isComplete)) {
    return <State name="no-beginning" />;
  }
  if (run.state !== 'failed') {
    return <State name="loading" />;
  }
  const name = run.error?.status === 0 ? 'no-server' : 'failed';
  return <State name={name} problem={run.problem} onRetry={() => run.refresh()} />;
}

interface ShownRunProps {
  model: PanelModel;
  run: RunModel;
  wide: boolean;
  visible: boolean;
  view: RefObject<HTMLElement>;
}

interface SpansProps extends ShownRunProps {
  known: AnyRun;
  root: Span;
}

/** What is there once the run has a beginning: its tree, and what is chosen of it. */
function Spans(props: SpansProps): ReactElement {
  const { model, run, known, root, wide, visible, view } = props;
  // The same functions as long as it is the same view: what is below need not be made again.
  const go = useMemo(() => {
    const to = (part: string) => () => {
      if (view.current) {
        focusPart(view.current, part);
      }
    };
    return { runs: to('runs'), tree: to('tree'), detail: to('detail') };
  }, [view]);
  const shown = model.span ?? root;
  const { row } = model;
  const group = row?.type === 'group' ? row.key : null;
  const stamp = stampOf(shown, row, run);
  return (
    <>
      <Tools
        model={model}
        run={run}
        errors={run.tree.errors.length}
        models={run.tree.models.size}
        follow={model.follow}
        query={model.query}
        stamp={toolsStamp(model)}
        onTree={go.tree}
      />
      <Split
        wide={wide}
        first={
          <Tree
            key={run.runId}
            model={model}
            run={run}
            wide={wide}
            visible={visible}
            onDetail={go.detail}
            onBack={go.runs}
          />
        }
        second={
          <Detail
            model={model}
            run={run}
            span={shown}
            group={group}
            tab={model.tab}
            visible={visible}
            stamp={stamp}
            onBack={go.tree}
          />
        }
      />
      <Foot model={model} known={known} span={group === null ? shown : null} stamp={stamp} />
    </>
  );
}

function ShownRun(props: ShownRunProps): ReactElement {
  const { model, run, visible } = props;
  const known = useSteady(run.run);
  const root = run.tree.root;
  if (!known || run.state === 'gone' || run.state === 'unknown') {
    return <NoRun run={run} />;
  }
  const { review } = model;
  return (
    <>
      {(root || run.isHeadless) && (
        <Header key={run.runId} model={model} run={run} known={known} visible={visible} />
      )}
      {review && <Review key={review.review_id} known={known} proposed={review} />}
      {root ? <Spans {...props} known={known} root={root} /> : <NoRun run={run} />}
    </>
  );
}

function stateOf(model: PanelModel): StateName | null {
  const { notebook, run } = model;
  if (run) {
    return null;
  }
  if (!notebook) {
    return 'no-notebook';
  }
  const empty = notebook.session === null ? 'no-runs' : 'no-runs-of-session';
  switch (notebook.state) {
    case 'empty':
      return empty;
    case 'ready':
      return notebook.runs.length > 0 ? null : empty;
    default:
      return notebook.state;
  }
}

/** Everything that the panel shows. */
export function PanelView({ visible }: { visible: boolean }): ReactElement {
  const { model } = useSurroundings();
  // What nobody sees need not be kept up to date.
  useSignal(visible ? model.changed : null);
  const view = useRef<HTMLDivElement>(null);
  const wide = useWide(view);
  const { notebook, run } = model;
  const state = stateOf(model);
  const isShown = run !== null && run.run !== null && run.state !== 'loading';
  const standing = isShown ? standingOf(model, run) : null;
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    if (event.key === 'F6' && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      event.stopPropagation();
      cycle(event.currentTarget, event.shiftKey ? -1 : 1);
    }
  };
  return (
    // The key is that of what is in it.
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div
      ref={view}
      className="jp-rlm-View"
      data-wide={wide}
      data-standing={standing ?? undefined}
      tabIndex={-1}
      onKeyDown={onKeyDown}
    >
      <Top
        notebook={notebook}
        sessions={notebook?.sessions ?? NONE}
        session={notebook?.session ?? null}
        path={notebook?.path ?? run?.run?.notebook ?? null}
        runId={run?.runId ?? null}
      />
      {notebook && notebook.runs.length > 0 && (
        <Runs
          model={model}
          notebook={notebook}
          runs={notebook.runs}
          more={notebook.more}
          open={run?.runId ?? null}
          standing={standing}
        />
      )}
      {state && (
        <State
          name={state}
          problem={notebook?.problem}
          onRetry={
            state === 'failed' || state === 'no-server' ? () => notebook?.refresh() : undefined
          }
        />
      )}
      {run && <ShownRun model={model} run={run} wide={wide} visible={visible} view={view} />}
      <Live model={model} />
    </div>
  );
}

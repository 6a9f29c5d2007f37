/** The whole panel, from the first line to the last. */
import type { KeyboardEvent, ReactElement, RefObject } from 'react';
import { useEffect, useRef, useState } from 'react';

import type { PanelModel } from '../model/panel';
import type { RunModel } from '../model/run';
import { cycle, focusPart } from './cycle';
import { Detail } from './detail/detail';
import { Foot } from './foot';
import { Header } from './header';
import { Live } from './live';
import { Review } from './review';
import { Runs } from './runs';
import { Split } from './split';
import { State, type StateName } from './states';
import { useSignal, useSurroundings } from './surroundings';
import { Tools } from './tools';
import { Top } from './top';
import { Tree } from './tree';

/** From how many pixels on the detail stands beside the tree. */
const WIDE = 900;

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

function ShownRun({ model, run, wide, visible, view }: ShownRunProps): ReactElement {
  const focus = (part: string): void => {
    if (view.current) {
      focusPart(view.current, part);
    }
  };
  const back = useRef(() => focus('tree'));
  const known = run.run;
  const root = run.tree.root;
  if (!known || !root || run.state === 'gone') {
    return <NoRun run={run} />;
  }
  const shown = model.span ?? root;
  // A run's answer comes with the run; what is over changes no more.
  const stamp = shown.status === 'running' ? run.tree.version : shown.status;
  const toDetail = (): void => focus('detail');
  return (
    <>
      <Header model={model} run={run} known={known} visible={visible} />
      {model.review && (
        <Review key={model.review.review_id} known={known} proposed={model.review} />
      )}
      <Tools model={model} run={run} onTree={() => focus('tree')} />
      <Split
        wide={wide}
        first={
          <Tree
            key={run.runId}
            model={model}
            run={run}
            wide={wide}
            visible={visible}
            onDetail={toDetail}
            onBack={() => focus('runs')}
          />
        }
        second={
          <Detail
            model={model}
            run={run}
            span={shown}
            row={model.row}
            tab={model.tab}
            stamp={`${stamp} ${known.answer?.length ?? 0}`}
            onBack={back.current}
          />
        }
      />
      <Foot model={model} known={known} />
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
  switch (notebook.state) {
    case 'empty':
      return 'no-runs';
    case 'ready':
      return notebook.runs.length > 0 ? null : 'no-runs';
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
    <div ref={view} className="jp-rlm-View" data-wide={wide} onKeyDown={onKeyDown}>
      <Top model={model} />
      {notebook && notebook.runs.length > 0 && <Runs model={model} notebook={notebook} />}
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

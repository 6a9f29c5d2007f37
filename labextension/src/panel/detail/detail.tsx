/** The chosen span, in tabs. */
import type { KeyboardEvent, ReactElement } from 'react';
import { memo, useId } from 'react';

import type { PanelModel, Tab } from '../../model/panel';
import type { GroupRow } from '../../model/rows';
import type { RunModel } from '../../model/run';
import type { Span } from '../../model/span';
import { Boundary } from '../boundary';
import { useSurroundings } from '../surroundings';
import { Body } from './body';
import { Facts } from './facts';
import { Group } from './group';
import { Nothing } from './section';
import { tabsOf } from './tabs';

interface TabsProps {
  id: string;
  tabs: readonly Tab[];
  tab: Tab;
  onChoose: (tab: Tab) => void;
}

function tabAfter(key: string, tabs: readonly Tab[], tab: Tab): Tab | undefined {
  const at = tabs.indexOf(tab);
  switch (key) {
    case 'ArrowRight':
      return tabs[(at + 1) % tabs.length];
    case 'ArrowLeft':
      return tabs[(at - 1 + tabs.length) % tabs.length];
    case 'Home':
      return tabs[0];
    case 'End':
      return tabs.at(-1);
    default:
      return undefined;
  }
}

function Tabs({ id, tabs, tab, onChoose }: TabsProps): ReactElement {
  const { trans } = useSurroundings();
  const names = namesOf(trans);
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const next = tabAfter(event.key, tabs, tab);
    if (next) {
      event.preventDefault();
      event.stopPropagation();
      onChoose(next);
      event.currentTarget.querySelector<HTMLElement>(`[data-tab="${next}"]`)?.focus();
    }
  };
  return (
    <div
      role="tablist"
      tabIndex={-1}
      className="jp-rlm-Tabs"
      aria-label={trans.__('About the span')}
      onKeyDown={onKeyDown}
    >
      {tabs.map(one => (
        <button
          key={one}
          type="button"
          role="tab"
          id={`${id}-${one}`}
          data-tab={one}
          className="jp-rlm-Tab"
          aria-selected={one === tab}
          aria-controls={`${id}-panel`}
          tabIndex={one === tab ? 0 : -1}
          onClick={() => onChoose(one)}
        >
          {names[one]}
        </button>
      ))}
    </div>
  );
}

interface SpanDetailProps {
  model: PanelModel;
  run: RunModel;
  span: Span;
  tab: Tab;
  visible: boolean;
}

interface DetailProps extends SpanDetailProps {
  /** The key of the chosen row, when that is one of a group. */
  group: string | null;
  /** Changes when what is shown may have changed. */
  stamp: string;
  onBack: () => void;
}

function namesOf(trans: { __: (text: string) => string }): Record<Tab, string> {
  return {
    reply: trans.__('Reply'),
    code: trans.__('Code'),
    output: trans.__('Output'),
    messages: trans.__('Messages'),
    variables: trans.__('Variables'),
    raw: trans.__('Raw')
  };
}

interface GroupDetailProps {
  run: RunModel;
  row: GroupRow;
  visible: boolean;
}

function GroupDetail({ run, row, visible }: GroupDetailProps): ReactElement {
  const { trans } = useSurroundings();
  return (
    <div
      className="jp-rlm-Detail-body"
      role="group"
      aria-label={trans.__('About the group')}
      // It scrolls, so the keyboard must reach it.
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
    >
      <Group run={run} spans={row.spans} visible={visible} />
    </div>
  );
}

function SpanDetail(props: SpanDetailProps): ReactElement {
  const { model, run, span, tab: wanted, visible } = props;
  const { trans } = useSurroundings();
  const id = useId();
  const tabs = tabsOf(span);
  const tab = tabs.includes(wanted) ? wanted : tabs[0];
  const failed = (reason: string): ReactElement => (
    <Nothing>{trans.__('It cannot be shown: %1', reason)}</Nothing>
  );
  return (
    <>
      <Tabs id={id} tabs={tabs} tab={tab} onChoose={chosen => model.setTab(chosen)} />
      <div
        role="tabpanel"
        id={`${id}-panel`}
        aria-labelledby={`${id}-${tab}`}
        // It scrolls, so the keyboard must reach it.
        tabIndex={0}
        className="jp-rlm-Detail-body"
        key={`${span.id} ${tab}`}
      >
        <Facts run={run} span={span} visible={visible} />
        <Boundary of={`${span.id} ${tab}`} fallback={failed}>
          <Body run={run} span={span} tab={tab} />
        </Boundary>
      </div>
    </>
  );
}

/** The tabs of the chosen span, or of the run when none is chosen. */
export const Detail = memo(function Detail(props: DetailProps): ReactElement {
  const { model, run, span, tab, visible, onBack } = props;
  const row = props.group === null ? null : model.row;
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      onBack();
    }
  };
  return (
    // The keys are those of what is in it; who reads must not have it taken away.
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div
      className="jp-rlm-Detail"
      data-rlm-part="detail"
      onKeyDown={onKeyDown}
      onFocus={() => model.setFollow(false)}
    >
      {row?.type === 'group' ? (
        <GroupDetail run={run} row={row} visible={visible} />
      ) : (
        <SpanDetail model={model} run={run} span={span} tab={tab} visible={visible} />
      )}
    </div>
  );
});

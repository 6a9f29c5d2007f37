/** The menu that chooses which spans are shown. */
import type { ReactElement } from 'react';

import type { PanelModel } from '../model/panel';
import { plainLine } from '../model/plain';
import type { RunModel } from '../model/run';
import { type Kind, KINDS, type SpanStatus, STATUSES } from '../model/span';
import { Badge, Sign } from './button';
import { type MenuGroup, type MenuItem, Popup } from './popup';
import { useStatusWords } from './runs';
import { useSurroundings } from './surroundings';

function without<T>(chosen: ReadonlySet<T> | null, one: T): ReadonlySet<T> | null {
  const next = new Set(chosen);
  if (!next.delete(one)) {
    next.add(one);
  }
  return next.size === 0 ? null : next;
}

function items<T extends string>(
  values: Iterable<T>,
  chosen: ReadonlySet<T> | null,
  nameOf: (value: T) => string,
  set: (chosen: ReadonlySet<T> | null) => void
): MenuItem[] {
  return [...values].map(value => ({
    key: value,
    label: nameOf(value),
    checked: chosen?.has(value) ?? false,
    choice: 'many',
    onSelect: () => set(without(chosen, value))
  }));
}

function useGroups(model: PanelModel, run: RunModel): MenuGroup[] {
  const { trans } = useSurroundings();
  const words = useStatusWords();
  const { kinds, statuses, models } = model.filter;
  const kindNames: Record<Kind, string> = {
    run: trans.__('Runs'),
    iteration: trans.__('Iterations'),
    model_call: trans.__('Model calls'),
    code: trans.__('Code'),
    subcall: trans.__('Sub-calls')
  };
  const names = [...run.tree.models].slice(0, 30);
  const groups: MenuGroup[] = [
    {
      key: 'kinds',
      heading: trans.__('Kind'),
      items: items<Kind>(
        KINDS,
        kinds,
        kind => kindNames[kind],
        set => model.setFilter({ kinds: set })
      )
    },
    {
      key: 'statuses',
      heading: trans.__('Status'),
      items: items<SpanStatus>(
        STATUSES,
        statuses,
        status => (status === 'ok' ? trans.__('done') : words[status]),
        set => model.setFilter({ statuses: set })
      )
    }
  ];
  if (names.length > 1) {
    groups.push({
      key: 'models',
      heading: trans.__('Model'),
      items: items(
        names,
        models,
        name => plainLine(name),
        set => model.setFilter({ models: set })
      )
    });
  }
  return groups;
}

/** A menu of kinds, statuses and models; nothing ticked means everything. */
export function FilterMenu({ model, run }: { model: PanelModel; run: RunModel }): ReactElement {
  const { trans } = useSurroundings();
  const { kinds, statuses, models } = model.filter;
  const chosen = (kinds?.size ?? 0) + (statuses?.size ?? 0) + (models?.size ?? 0);
  const groups = useGroups(model, run);
  if (chosen > 0) {
    const onSelect = (): void => model.setFilter({ kinds: null, statuses: null, models: null });
    groups.push({
      key: 'all',
      items: [{ key: 'all', label: trans.__('Show everything'), onSelect }]
    });
  }
  return (
    <Popup label={trans.__('Filter')} groups={groups} data-rlm="filter">
      {trans.__('Filter')} {chosen > 0 && <Badge number={String(chosen)} />} <Sign>▾</Sign>
    </Popup>
  );
}

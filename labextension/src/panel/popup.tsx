/** A button with a menu that opens below it, for the mouse and for the keyboard. */
import type { KeyboardEvent, ReactElement, ReactNode, RefObject } from 'react';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'react';

import { Button } from './button';

/** One thing that a menu offers; with `checked` it can be ticked. */
export interface MenuItem {
  key: string;
  label: string;
  note?: string;
  /** What it is, in a sentence below the label. */
  description?: string;
  title?: string;
  checked?: boolean;
  /** Whether one of its group is chosen, or each for itself. */
  choice?: 'one' | 'many';
  /** Whether the menu is there still when it was chosen; that of many always is. */
  stays?: boolean;
  danger?: boolean;
  onSelect: () => void;
}

/** Items that belong together, with a heading where there is one. */
export interface MenuGroup {
  key: string;
  heading?: string;
  items: readonly MenuItem[];
}

interface PopupProps {
  label: string;
  title?: string;
  children?: ReactNode;
  groups: readonly MenuGroup[];
  /** What is told in place of items that are not here. */
  told?: string;
  onOpen?: () => void;
  'data-rlm'?: string;
}

function roleOf(item: MenuItem): string {
  if (item.checked === undefined) {
    return 'menuitem';
  }
  return item.choice === 'one' ? 'menuitemradio' : 'menuitemcheckbox';
}

function step(menu: HTMLElement, key: string): void {
  const items = [...menu.querySelectorAll<HTMLElement>('[role^="menuitem"]')];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const to: Record<string, number> = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1
  };
  items[to[key]]?.focus();
}

function Item({ item, onDone }: { item: MenuItem; onDone: () => void }): ReactElement {
  const id = useId();
  const isDescribed = item.description !== undefined;
  return (
    <button
      type="button"
      role={roleOf(item)}
      aria-checked={item.checked}
      aria-labelledby={isDescribed ? `${id}-label` : undefined}
      aria-describedby={isDescribed ? `${id}-description` : undefined}
      title={item.title}
      tabIndex={-1}
      className="jp-rlm-Menu-item"
      data-tone={item.danger ? 'error' : 'plain'}
      data-stays={item.stays}
      onClick={() => {
        item.onSelect();
        if (item.choice !== 'many' && !item.stays) {
          onDone();
        }
      }}
    >
      <span className="jp-rlm-Menu-tick" aria-hidden="true">
        {item.checked ? '✓' : ''}
      </span>
      <span className="jp-rlm-Menu-text">
        <bdi id={`${id}-label`} className="jp-rlm-cut">
          {item.label}
        </bdi>
        {isDescribed && (
          <span id={`${id}-description`} className="jp-rlm-Menu-description jp-rlm-dim" dir="auto">
            {item.description}
          </span>
        )}
      </span>
      {item.note !== undefined && <span className="jp-rlm-dim jp-rlm-num">{item.note}</span>}
    </button>
  );
}

interface MenuProps {
  label: string;
  groups: readonly MenuGroup[];
  told?: string;
  onClose: (back: boolean) => void;
}

function useOutside(menu: RefObject<HTMLElement>, onClose: (back: boolean) => void): void {
  useEffect(() => {
    const outside = (event: PointerEvent): void => {
      if (!menu.current?.parentElement?.contains(event.target as Node)) {
        onClose(false);
      }
    };
    document.addEventListener('pointerdown', outside, true);
    return () => document.removeEventListener('pointerdown', outside, true);
  }, [menu, onClose]);
}

function Group({ group, onDone }: { group: MenuGroup; onDone: () => void }): ReactElement {
  const heading = useId();
  return (
    <div role="group" aria-labelledby={group.heading ? heading : undefined}>
      {group.heading && (
        <div id={heading} className="jp-rlm-Menu-heading" role="presentation">
          {group.heading}
        </div>
      )}
      {group.items.map(item => (
        <Item key={item.key} item={item} onDone={onDone} />
      ))}
    </div>
  );
}

/** Focus the item that is chosen, or the first one, or the menu itself as long as it has none. */
function useFocus(menu: RefObject<HTMLElement>, hasItems: boolean): void {
  useLayoutEffect(() => {
    const node = menu.current;
    const items = '[role^="menuitem"]:not([data-stays="true"])';
    const chosen = node?.querySelector<HTMLElement>(`${items}[aria-checked="true"]`);
    (chosen ?? node?.querySelector<HTMLElement>(items) ?? node)?.focus();
  }, [menu, hasItems]);
}

function Menu({ label, groups, told, onClose }: MenuProps): ReactElement {
  const menu = useRef<HTMLDivElement>(null);
  useOutside(menu, onClose);
  const hasItems = groups.some(group => group.items.length > 0);
  useFocus(menu, hasItems);
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    if (event.key === 'Escape') {
      onClose(true);
    } else if (event.key === 'Tab') {
      onClose(false);
      return;
    } else if (['ArrowDown', 'ArrowUp', 'Home', 'End'].includes(event.key)) {
      step(event.currentTarget, event.key);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      ref={menu}
      role={hasItems ? 'menu' : 'group'}
      aria-label={label}
      tabIndex={-1}
      className="jp-rlm-Menu"
      onKeyDown={onKeyDown}
    >
      {groups.map(group => (
        <Group key={group.key} group={group} onDone={() => onClose(true)} />
      ))}
      {told !== undefined && (
        <p className="jp-rlm-Menu-told jp-rlm-dim" role="status" dir="auto">
          {told}
        </p>
      )}
    </div>
  );
}

/** A button that opens a menu: arrows go through it, Enter and Space choose, Escape closes it. */
export function Popup(props: PopupProps): ReactElement {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const close = useRef((back: boolean): void => {
    setOpen(false);
    if (back) {
      button.current?.focus();
    }
  });
  return (
    <span className="jp-rlm-Popup">
      <Button
        ref={button}
        label={props.label}
        title={props.title}
        popup="menu"
        expanded={open}
        data-rlm={props['data-rlm']}
        onClick={() => {
          if (!open) {
            props.onOpen?.();
          }
          setOpen(!open);
        }}
      >
        {props.children}
      </Button>
      {open && (
        <Menu label={props.label} groups={props.groups} told={props.told} onClose={close.current} />
      )}
    </span>
  );
}

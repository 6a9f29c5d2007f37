/** A button with a menu that opens below it, for the mouse and for the keyboard. */
import type { KeyboardEvent, ReactElement, ReactNode, RefObject } from 'react';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'react';

import { Button } from './button';

/** One thing that a menu offers; with `checked` it can be ticked, and the menu stays open. */
export interface MenuItem {
  key: string;
  label: string;
  note?: string;
  title?: string;
  checked?: boolean;
  /** Whether one of its group is chosen, or each for itself. */
  choice?: 'one' | 'many';
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
  return (
    <button
      type="button"
      role={roleOf(item)}
      aria-checked={item.checked}
      title={item.title}
      tabIndex={-1}
      className="jp-rlm-Menu-item"
      data-tone={item.danger ? 'error' : 'plain'}
      onClick={() => {
        item.onSelect();
        if (item.choice !== 'many') {
          onDone();
        }
      }}
    >
      <span className="jp-rlm-Menu-tick" aria-hidden="true">
        {item.checked ? '✓' : ''}
      </span>
      <bdi className="jp-rlm-cut">{item.label}</bdi>
      {item.note !== undefined && <span className="jp-rlm-dim jp-rlm-num">{item.note}</span>}
    </button>
  );
}

interface MenuProps {
  label: string;
  groups: readonly MenuGroup[];
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

function Menu({ label, groups, onClose }: MenuProps): ReactElement {
  const menu = useRef<HTMLDivElement>(null);
  useOutside(menu, onClose);
  useLayoutEffect(() => {
    const node = menu.current;
    const first = node?.querySelector<HTMLElement>('[aria-checked="true"]');
    (first ?? node?.querySelector<HTMLElement>('[role^="menuitem"]'))?.focus();
  }, []);
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
      role="menu"
      aria-label={label}
      tabIndex={-1}
      className="jp-rlm-Menu"
      onKeyDown={onKeyDown}
    >
      {groups.map(group => (
        <Group key={group.key} group={group} onDone={() => onClose(true)} />
      ))}
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
        onClick={() => setOpen(!open)}
      >
        {props.children}
      </Button>
      {open && <Menu label={props.label} groups={props.groups} onClose={close.current} />}
    </span>
  );
}

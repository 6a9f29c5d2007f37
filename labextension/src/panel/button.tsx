/** Buttons, as small as the panel is dense. */
import type { LabIcon } from '@jupyterlab/ui-components';
import type { ReactElement, ReactNode, Ref } from 'react';
import { forwardRef } from 'react';

/** What a button shows and does. */
export interface ButtonProps {
  /** Its name for those who cannot see the icon; the text when there is no other. */
  label: string;
  /** What it shows; its label when nothing is given. */
  children?: ReactNode;
  title?: string;
  onClick: () => void;
  disabled?: boolean;
  pressed?: boolean;
  tone?: 'plain' | 'error' | 'primary' | 'link';
  popup?: 'menu';
  expanded?: boolean;
  'data-rlm'?: string;
}

/** A button of the panel. */
export const Button = forwardRef(function Button(
  props: ButtonProps,
  ref: Ref<HTMLButtonElement>
): ReactElement {
  const { label, children, title, onClick, disabled, pressed, tone = 'plain' } = props;
  return (
    <button
      ref={ref}
      type="button"
      className="jp-rlm-Button"
      data-tone={tone}
      data-rlm={props['data-rlm']}
      aria-label={children === undefined ? undefined : label}
      aria-pressed={pressed}
      aria-haspopup={props.popup}
      aria-expanded={props.expanded}
      title={title ?? (children === undefined ? undefined : label)}
      disabled={disabled}
      onClick={onClick}
    >
      {children ?? label}
    </button>
  );
});

/** A number beside the words of a button: it is drawn, and does not become part of the button's name. */
export function Badge({ number }: { number: string }): ReactElement {
  return <span className="jp-rlm-Badge" aria-hidden="true" data-number={number} />;
}

/** A sign that is decoration: what it means stands beside it or in the label. */
export function Sign({ children }: { children: ReactNode }): ReactElement {
  return (
    <span className="jp-rlm-Sign" aria-hidden="true">
      {children}
    </span>
  );
}

/** One of Lab's icons, as decoration. */
export function Icon({ icon }: { icon: LabIcon }): ReactElement {
  return (
    <span className="jp-rlm-Icon" aria-hidden="true">
      <icon.react tag="span" width="14px" height="14px" />
    </span>
  );
}

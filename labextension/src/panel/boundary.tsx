/** Keeps what cannot be shown from taking the rest of the panel with it. */
import type { ReactNode } from 'react';
import { Component } from 'react';

interface BoundaryProps {
  /** What stands in place of what failed. */
  fallback: (reason: string) => ReactNode;
  /** Something new to show: try again. */
  of: unknown;
  children: ReactNode;
}

interface BoundaryState {
  reason: string | null;
  of: unknown;
}

/** Shows its children, or why they cannot be shown. */
export class Boundary extends Component<BoundaryProps, BoundaryState> {
  override state: BoundaryState = { reason: null, of: this.props.of };

  static getDerivedStateFromError(reason: unknown): Partial<BoundaryState> {
    return { reason: String(reason) };
  }

  static getDerivedStateFromProps(
    props: BoundaryProps,
    state: BoundaryState
  ): Partial<BoundaryState> | null {
    return props.of === state.of ? null : { reason: null, of: props.of };
  }

  override render(): ReactNode {
    const { reason } = this.state;
    return reason === null ? this.props.children : this.props.fallback(reason);
  }
}

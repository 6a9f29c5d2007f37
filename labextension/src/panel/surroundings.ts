/** What every view of the panel needs, handed down once. */
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ISignal } from '@lumino/signaling';
import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useReducer,
  useSyncExternalStore
} from 'react';

import type { PanelModel } from '../model/panel';
import type { Actions } from './actions';

/** The model, what Lab offers, and the language of the user. */
export interface Surroundings {
  model: PanelModel;
  actions: Actions;
  rendermime: IRenderMimeRegistry;
  languages: IEditorLanguageRegistry | null;
  trans: TranslationBundle;
}

/** Where the views find their surroundings. */
export const SurroundingsContext = createContext<Surroundings | null>(null);

/** The surroundings of a view. */
export function useSurroundings(): Surroundings {
  const surroundings = useContext(SurroundingsContext);
  if (!surroundings) {
    throw new Error(
      'A view of the panel stands outside of it: render it inside SurroundingsContext.'
    );
  }
  return surroundings;
}

/** Renders again whenever the signal fires; returns how often it has. */
export function useSignal<T>(signal: ISignal<T, unknown> | null): number {
  const [version, advance] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    if (!signal) {
      return;
    }
    const heard = (): void => advance();
    signal.connect(heard);
    // Something may have happened between the first rendering and now.
    advance();
    return () => {
      signal.disconnect(heard);
    };
  }, [signal]);
  return version;
}

/** What is read now; renders again only when the signal fires and it is another value. */
export function useValue<T, V extends string | number | boolean | null>(
  signal: ISignal<T, unknown>,
  read: () => V
): V {
  const subscribe = useCallback(
    (heard: () => void) => {
      const onSignal = (): void => heard();
      signal.connect(onSignal);
      return () => {
        signal.disconnect(onSignal);
      };
    },
    [signal]
  );
  return useSyncExternalStore(subscribe, read);
}

/** jsdom, with the abort signals of Node: newer ones of its `fetch` take no others. */
import { builtinEnvironments, type Environment } from 'vitest/environments';

const environment: Environment = {
  ...builtinEnvironments.jsdom,
  name: 'jsdom-with-fetch',
  async setup(global: typeof globalThis, options: Record<string, unknown>) {
    const { AbortController, AbortSignal } = global;
    const jsdom = await builtinEnvironments.jsdom.setup(global, options);
    Object.assign(global, { AbortController, AbortSignal });
    return jsdom;
  }
};

export default environment;

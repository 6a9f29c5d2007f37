/** What the commands can be told, as JSON Schema: Lab shows it, and other programs read it. */
import type { ReadonlyJSONObject } from '@lumino/coreutils';

const RUN_ID = {
  type: 'string',
  pattern: '^[0-9a-f]{32}$',
  description: 'The run. Without it, the one that the panel shows.'
};

const SPAN_ID = { type: 'string', description: 'The span in the run to choose.' };

/** No arguments at all, but for the mark of a toolbar. */
export const NOTHING: ReadonlyJSONObject = {
  type: 'object',
  properties: { toolbar: { type: 'boolean', description: 'Whether it stands in a toolbar.' } }
};

/** A run. */
export const A_RUN: ReadonlyJSONObject = {
  type: 'object',
  properties: { run_id: RUN_ID }
};

/** A run, and where in it. */
export const A_SPAN: ReadonlyJSONObject = {
  type: 'object',
  properties: { run_id: RUN_ID, span_id: SPAN_ID }
};

/** A run that is to be shown. */
export const A_RUN_TO_OPEN: ReadonlyJSONObject = {
  type: 'object',
  required: ['run_id'],
  properties: {
    run_id: RUN_ID,
    span_id: SPAN_ID,
    notebook: { type: 'string', description: 'The path of a notebook to open first.' }
  }
};

/** A run and what its model is told. */
export const A_NOTE: ReadonlyJSONObject = {
  type: 'object',
  properties: {
    run_id: RUN_ID,
    text: { type: 'string', description: 'What the model is told. Without it, the user is asked.' }
  }
};

/** A session. */
export const A_SESSION: ReadonlyJSONObject = {
  type: 'object',
  properties: {
    session_id: { type: 'string', description: 'The session. Without it, the user is asked.' }
  }
};

/** Code. */
export const CODE: ReadonlyJSONObject = {
  type: 'object',
  properties: {
    code: { type: 'string', description: 'The code. Without it, that of the chosen span.' }
  }
};

/** A run and a format. */
export const A_FORMAT: ReadonlyJSONObject = {
  type: 'object',
  properties: {
    run_id: RUN_ID,
    format: { type: 'string', description: 'The format. Without it, the user is asked.' },
    place: {
      enum: ['download', 'beside'],
      description:
        'To the downloads, or into the folder of the notebook. Without it, the downloads.'
    }
  }
};

/** An address of Lab, as its router takes it apart. */
export const AN_ADDRESS: ReadonlyJSONObject = {
  type: 'object',
  required: ['path', 'search'],
  properties: {
    path: { type: 'string', description: 'The path of the address.' },
    search: { type: 'string', description: 'Its query, from the question mark on.' }
  }
};

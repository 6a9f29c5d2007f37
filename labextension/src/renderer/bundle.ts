/** What a cell's output says about a run. A notebook can come from anybody, so every field is looked at. */
import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';

/** How a span or a run stands; null while it is under way. */
export type Outcome = 'ok' | 'error' | 'interrupted' | 'limit' | null;

/** A span of a run in a cell's output. */
export interface InlineSpan {
  id: string;
  parent: string | null;
  kind: string;
  name: string;
  started: number;
  ended: number | null;
  status: Outcome;
}

/** A finished run in a cell's output. */
export interface InlineRun {
  runId: string;
  question: string;
  answer: string | null;
  answerLeftOut: string;
  status: Outcome;
  /** Whether it answered with what it had when its iterations were used up. */
  outOfIterations: boolean;
  error: { name: string; message: string } | null;
  model: string;
  iterations: number;
  subcalls: number;
  children: number;
  inputTokens: number | null;
  outputTokens: number | null;
  cost: number | null;
  started: number | null;
  ended: number | null;
  spans: InlineSpan[];
  spansLeftOut: number;
}

/** A run under way in a cell's output. */
export interface InlineProgress {
  runId: string;
  status: Outcome;
  lines: string[];
  tail: string;
}

const VERSION = 1;
const MOST_SPANS = 1000;
const MOST_LINES = 20;
const RUN_ID = /^[0-9a-f]{32}$/;

type Fields = Record<string, unknown>;

/** Return the run that an output describes, or null when it is not one that can be read. */
export function readRun(value: ReadonlyPartialJSONValue | undefined): InlineRun | null {
  const fields = fieldsOf(value);
  if (fields === null || fields.version !== VERSION) {
    return null;
  }
  const usage = fieldsOf(fields.usage) ?? {};
  const error = fieldsOf(fields.error);
  return {
    runId: runIdOf(fields.run_id),
    question: text(fields.question),
    answer: typeof fields.answer === 'string' ? fields.answer : null,
    answerLeftOut: text(fields.answer_left_out),
    status: outcome(fields.status),
    outOfIterations: fields.out_of_iterations === true,
    error: error && { name: text(error.name), message: text(error.message) },
    model: text(fields.model),
    iterations: number(fields.iterations) ?? 0,
    subcalls: number(fields.subcalls) ?? 0,
    children: number(fields.children) ?? 0,
    inputTokens: number(usage.input_tokens),
    outputTokens: number(usage.output_tokens),
    cost: number(usage.cost),
    started: number(fields.started),
    ended: number(fields.ended),
    spans: list(fields.spans).slice(0, MOST_SPANS).flatMap(readSpan),
    spansLeftOut: number(fields.spans_left_out) ?? 0
  };
}

/** Return how far the run of an output is, or null when it cannot be read. */
export function readProgress(value: ReadonlyPartialJSONValue | undefined): InlineProgress | null {
  const fields = fieldsOf(value);
  if (fields === null || fields.version !== VERSION) {
    return null;
  }
  return {
    runId: runIdOf(fields.run_id),
    status: outcome(fields.status),
    lines: list(fields.lines).slice(0, MOST_LINES).map(text),
    tail: text(fields.tail)
  };
}

function readSpan(value: unknown): InlineSpan[] {
  const fields = fieldsOf(value);
  const started = number(fields?.started);
  if (fields === null || started === null || typeof fields.id !== 'string') {
    return [];
  }
  return [
    {
      id: fields.id,
      parent: typeof fields.parent === 'string' ? fields.parent : null,
      kind: text(fields.kind),
      name: text(fields.name),
      started,
      ended: number(fields.ended),
      status: outcome(fields.status)
    }
  ];
}

function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : null;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function outcome(value: unknown): Outcome {
  return value === 'ok' || value === 'error' || value === 'interrupted' || value === 'limit'
    ? value
    : null;
}

function runIdOf(value: unknown): string {
  return typeof value === 'string' && RUN_ID.test(value) ? value : '';
}

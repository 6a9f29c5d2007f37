/** Names for what the server sends, as its OpenAPI document has it. */
import type { components, operations } from './generated';

type Schemas = components['schemas'];

/** A run, as lists have it. */
export type Run = Schemas['Run'];
/** A run with its texts in full, and how it is steered. */
export type RunInFull = Run & Pick<Schemas['RunInFull'], 'steered'>;
/** A conversation of a notebook; its turns are runs. */
export type Session = Schemas['Session'];
/** A span opens. */
export type SpanStart = Schemas['SpanStart'];
/** A span closes. */
export type SpanEnd = Schemas['SpanEnd'];
/** More of a reply while it comes. */
export type SpanText = Schemas['SpanText'];
/** What a run is made of. */
export type SpanEvent = SpanStart | SpanEnd | SpanText;
/** Some of a run's events, and where to go on. */
export type SpansPage = Schemas['Spans'];
/** A text that events name by its digest, or a picture in base64. */
export type TextRecord = Schemas['Text'];
/** A chat message; its text is named by a digest. */
export type MessageRecord = Schemas['MessageRecord'];
/** What a model call took. */
export type UsageRecord = Schemas['UsageRecord'];
/** An exception. */
export type ErrorRecord = Schemas['ErrorRecord'];
/** A code block that waits for a decision. */
export type ProposedCode = Schemas['ProposedCode'];
/** How a run that is under way is steered. */
export type Steered = NonNullable<RunInFull['steered']>;
/** What was decided about a code block. */
export type Decision = Schemas['Decision'];
/** What steers a run. */
export type ControlRequest = operations['controlRun']['requestBody']['content']['application/json'];
/** What became of it. */
export type ControlAnswer =
  operations['controlRun']['responses']['202']['content']['application/json'];
/** A format that a run can be had in. */
export type Format =
  operations['listArtifacts']['responses']['200']['content']['application/json']['artifacts'][number];
/** How the extension is. */
export type Health = Schemas['Health'];

/** A span in which the words of a search are; `hits` are where they are in the excerpt. */
export type SpanHit = Schemas['SpanHit'];

/** An event of the bus, `urn:rlm-jupyter:changes:v1`: it names what changed. */
export interface Change {
  kind: 'run' | 'session' | 'notebook';
  action: 'began' | 'advanced' | 'steered' | 'ended' | 'deleted' | 'moved';
  run_id?: string;
  session_id?: string | null;
  notebook_id?: number | null;
  notebook?: string | null;
  status?: 'ok' | 'error' | 'interrupted' | 'limit' | null;
  last_seq?: number;
  whole?: boolean;
  steered?: { paused?: boolean; stopping?: boolean; waiting?: boolean };
}

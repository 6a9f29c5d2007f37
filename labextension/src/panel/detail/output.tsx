/** What a code block put out, through Lab's rendermime. */
import type { PartialJSONObject } from '@lumino/coreutils';
import type * as nbformat from '@jupyterlab/nbformat';
import { OutputModel } from '@jupyterlab/rendermime';
import type { ReactElement } from 'react';
import { memo, useMemo } from 'react';

import { useSurroundings } from '../surroundings';
import { withoutColours } from './failure';
import { LongText } from './long';
import { SHOWN } from './pages';
import { Rendered } from './rendered';
import { Nothing } from './section';

type Output = Record<string, unknown>;

function joined(value: unknown): string {
  if (Array.isArray(value)) {
    return value.map(String).join('');
  }
  return typeof value === 'string' ? value : (JSON.stringify(value ?? '') ?? '');
}

/** The plain text of an output: what its copy button copies. */
export function textOf(output: Output): string {
  if (output.output_type === 'stream') {
    return joined(output.text);
  }
  if (output.output_type === 'error') {
    const lines = Array.isArray(output.traceback) ? output.traceback : [];
    return withoutColours(lines.map(String).join('\n'));
  }
  const bundle = (output.data ?? {}) as Output;
  return joined(bundle['text/plain'] ?? Object.values(bundle)[0]);
}

interface Bundle {
  mimeType: string;
  data: PartialJSONObject;
  metadata: PartialJSONObject;
  size: number;
}

const One = memo(function One({ output }: { output: Output }): ReactElement {
  const { rendermime, trans } = useSurroundings();
  const bundle = useMemo((): Bundle | null => {
    const model = new OutputModel({
      value: output as unknown as nbformat.IOutput,
      trusted: false
    });
    const mimeType = rendermime.preferredMimeType(model.data, 'ensure');
    const found = mimeType && {
      mimeType,
      data: { [mimeType]: model.data[mimeType] } as PartialJSONObject,
      metadata: model.metadata as PartialJSONObject,
      size: mimeType.startsWith('image/') ? 0 : joined(model.data[mimeType]).length
    };
    model.dispose();
    return found || null;
  }, [output, rendermime]);
  if (output.output_type === 'error' && textOf(output).length > SHOWN) {
    return <LongText text={textOf(output)} kind="error" />;
  }
  if (!bundle) {
    const text = textOf(output);
    return text ? (
      <LongText text={text} />
    ) : (
      <Nothing>{trans.__('An output that cannot be shown safely.')}</Nothing>
    );
  }
  if (bundle.size > SHOWN) {
    return <LongText text={textOf(output) || joined(bundle.data[bundle.mimeType])} />;
  }
  const { mimeType, data, metadata } = bundle;
  return <Rendered mimeType={mimeType} data={data} metadata={metadata} />;
});

/** The outputs of a code block, in their order. */
export function Outputs({ outputs }: { outputs: readonly Output[] }): ReactElement {
  return (
    <div className="jp-rlm-Outputs">
      {outputs.map((output, index) => (
        <div key={index} className="jp-rlm-Output" data-type={String(output.output_type)}>
          <One output={output} />
        </div>
      ))}
    </div>
  );
}

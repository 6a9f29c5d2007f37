/** Files that are saved on the server, beside a notebook. */
import { PathExt } from '@jupyterlab/coreutils';
import type { Contents } from '@jupyterlab/services';

/** Return the folder that a file is in; that of the server itself is empty. */
export function folderOf(path: string): string {
  const folder = PathExt.dirname(path);
  return folder === '.' ? '' : folder;
}

/**
 * Save a file in a folder under its name, or, where that is taken, under one with a number; return its path.
 *
 * Lab's contents cannot refuse to write over a file: what is there is looked up at the last moment.
 */
export async function saveBeside(
  contents: Contents.IManager,
  folder: string,
  name: string,
  blob: Blob
): Promise<string> {
  const content = await base64Of(blob);
  const path = await freePath(contents, folder, name);
  await contents.save(path, { type: 'file', format: 'base64', content });
  return path;
}

async function freePath(
  contents: Contents.IManager,
  folder: string,
  name: string
): Promise<string> {
  const listed = (await contents.get(folder)).content as readonly Contents.IModel[];
  const taken = new Set(listed.map(file => sameAs(file.name)));
  // Of `a.trace.ipynb` all of the ending stays what it is.
  const dot = name.indexOf('.', 1);
  const [stem, ending] = dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot)];
  let free = name;
  for (let number = 1; taken.has(sameAs(free)); number++) {
    free = `${stem}-${number}${ending}`;
  }
  return PathExt.join(folder, free);
}

/** Return a name as file systems compare it that tell the least apart. */
function sameAs(name: string): string {
  return name.normalize('NFC').toLowerCase();
}

/** Return the bytes as they are, whatever text they may be. */
function base64Of(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => {
      const url = reader.result as string;
      resolve(url.slice(url.indexOf(',') + 1));
    };
    reader.onerror = () => reject(reader.error ?? new Error('The file cannot be read.'));
    reader.readAsDataURL(blob);
  });
}

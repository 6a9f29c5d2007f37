/** Files for the user to keep. */

/** Have the browser save a file under a name. */
export function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads it after this call.
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

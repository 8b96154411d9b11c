/** Bytes that are gathered before they are given to the browser. */
const PART = 8 << 20;

/** A blob of all that a stream gives; the browser keeps its parts where it likes, on disk too. */
export async function gather(body: ReadableStream<Uint8Array>, type: string): Promise<Blob> {
  const parts: Blob[] = [];
  let pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (value) {
      pieces.push(value as Uint8Array<ArrayBuffer>);
      size += value.byteLength;
    }
    if (done || size >= PART) {
      parts.push(new Blob(pieces));
      pieces = [];
      size = 0;
    }
    if (done) return new Blob(parts, { type });
  }
}

/** Reads a request's body, but never more than it may hold. */

export const MAX_BODY_BYTES = 16_384;

/** The bytes of the body, or "too_large". */
export async function readBody(request: Request): Promise<Uint8Array | "too_large"> {
  const declared = request.headers.get("content-length");
  if (Number(declared ?? 0) > MAX_BODY_BYTES) return "too_large";
  // The server delivers no more than a declared length; a chunked body is counted while it is read.
  if (declared !== null && !request.headers.has("transfer-encoding")) {
    const body = await request.bytes();
    return body.length > MAX_BODY_BYTES ? "too_large" : body;
  }
  return await readCounted(request);
}

async function readCounted(request: Request): Promise<Uint8Array | "too_large"> {
  if (request.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = request.body.getReader();
  while (true) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > MAX_BODY_BYTES) {
      await reader.cancel().catch(() => {});
      return "too_large";
    }
    chunks.push(value);
  }
  return chunks.length === 1 ? chunks[0]! : joined(chunks, size);
}

function joined(chunks: Uint8Array[], size: number): Uint8Array {
  const body = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LENIENT = new TextDecoder("utf-8", { ignoreBOM: true });

/** The body as text, one byte order mark dropped. `valid` is false when it was not UTF-8. */
export function decode(body: Uint8Array): { text: string; valid: boolean } {
  try {
    return { text: withoutMark(STRICT.decode(body)), valid: true };
  } catch {
    return { text: LENIENT.decode(body), valid: false };
  }
}

function withoutMark(text: string): string {
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}

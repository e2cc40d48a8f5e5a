import { strictEqual } from "node:assert/strict";
import { decode, MAX_BODY_BYTES, readBody } from "./body.ts";

function streamed(chunks: Uint8Array[]): { request: Request; pulled: () => number } {
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks[pulled];
      pulled += 1;
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
  }, { highWaterMark: 0 });
  return { request: new Request("http://test/", { method: "POST", body }), pulled: () => pulled };
}

Deno.test("a body of exactly 16 kB is read, one byte more is not", async () => {
  const full = await readBody(streamed([new Uint8Array(MAX_BODY_BYTES - 1), new Uint8Array(1)]).request);
  strictEqual((full as Uint8Array).length, MAX_BODY_BYTES);
  const over = await readBody(streamed([new Uint8Array(MAX_BODY_BYTES), new Uint8Array(1)]).request);
  strictEqual(over, "too_large");
});

Deno.test("a stream without end is cut where it crosses the limit", async () => {
  const { request, pulled } = streamed(Array.from({ length: 1000 }, () => new Uint8Array(8192)));
  strictEqual(await readBody(request), "too_large");
  strictEqual(pulled() <= 4, true);
});

Deno.test("a declared length over the limit is refused without reading", async () => {
  const { request, pulled } = streamed([new Uint8Array(1)]);
  request.headers.set("content-length", String(MAX_BODY_BYTES + 1));
  strictEqual(await readBody(request), "too_large");
  strictEqual(pulled(), 0);
});

Deno.test("one byte order mark is dropped, bytes that are no UTF-8 are told apart", () => {
  strictEqual(decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x7b])).text, "{");
  strictEqual(decode(new Uint8Array([0xff, 0x7b])).valid, false);
});

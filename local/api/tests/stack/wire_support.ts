/** The Realtime protocol without a client library, where supabase-js hides details. */
import { API, PUBLISHABLE, until } from "./support.ts";

/** A socket without a client library: `vsn` 1.0.0 or 2.0.0, frames as they come. */
export class Wire {
  readonly frames: (string | Uint8Array)[] = [];
  readonly ws: WebSocket;
  closed = 0;

  constructor(vsn: string, key = PUBLISHABLE) {
    this.ws = new WebSocket(`${API.replace("http", "ws")}/realtime/v1/websocket?apikey=${key}&vsn=${vsn}`);
    this.ws.binaryType = "arraybuffer";
    this.ws.onmessage = ({ data }) =>
      this.frames.push(typeof data === "string" ? data : new Uint8Array(data));
    this.ws.onclose = ({ code }) => this.closed = code;
  }

  async open(): Promise<this> {
    await until(() => this.ws.readyState === WebSocket.OPEN);
    return this;
  }

  /** Sends a version 1 frame and waits for the reply with its ref. */
  async ask(
    topic: string,
    event: string,
    payload: unknown,
    ref: string | null,
    joinRef: string | null = null,
  ) {
    const before = this.frames.length;
    this.ws.send(JSON.stringify({ topic, event, payload, ref, join_ref: joinRef }));
    const isReply = (frame: Record<string, unknown>) => frame.event === "phx_reply" && frame.ref === ref;
    await until(() => this.texts(before).some(isReply));
    return this.texts(before).find(isReply) as {
      payload: { status: string; response: Record<string, unknown> };
    };
  }

  texts(from = 0): Record<string, unknown>[] {
    return this.frames.slice(from).filter((frame) => typeof frame === "string").map((frame) =>
      JSON.parse(frame)
    );
  }

  async close(): Promise<void> {
    this.ws.close();
    await until(() => this.ws.readyState === WebSocket.CLOSED);
  }
}

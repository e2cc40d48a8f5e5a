/** The gateway's side of /auth/v1: checks the API key, hands the request to the Worker, waits for its answer. */
import { json, readBody } from "../http.ts";
import { apiKeyOf, type ApiKeys } from "../keys.ts";
import type { WorkerRequest, WorkerResponse, WorkerSettings } from "./worker.ts";

const MAX_BODY_BYTES = 100_000;
/** Opened by a browser from a mail or by a program that looks for public keys: no API key is at hand. */
const OPEN = new Set(["/auth/v1/verify", "/auth/v1/.well-known/jwks.json", "/auth/v1/health"]);
const NO_BODY = new Set([101, 204, 205, 304]);
const FORWARDED = ["authorization", "content-type", "user-agent", "x-supabase-api-version"];

export class Auth {
  readonly #pending = new Map<number, (response: WorkerResponse) => void>();
  #next = 1;
  #worker: Promise<Worker> | null = null;
  #idle: ReturnType<typeof setTimeout> | undefined;

  private constructor(
    private readonly settings: WorkerSettings,
    private readonly keys: ApiKeys,
    private readonly onDeath: () => void,
    private readonly idle: number,
  ) {}

  /**
   * Starts the Worker, so that a gateway that is up can sign people in. People sign in now and then, and it holds 35 MB:
   * without work for `idle` seconds it ends, and the next request starts it again. `onDeath` is called when it ends by an uncaught error: requests would wait for ever.
   */
  static async start(
    settings: WorkerSettings,
    keys: ApiKeys,
    onDeath: () => void,
    idle: number,
  ): Promise<Auth> {
    const auth = new Auth(settings, keys, onDeath, idle);
    await auth.#running();
    auth.#rest();
    return auth;
  }

  /** Ends the Worker, whatever it is doing. */
  stop(): void {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = null;
    worker?.then((running) => running.terminate(), () => {});
  }

  #running(): Promise<Worker> {
    clearTimeout(this.#idle);
    return this.#worker ??= this.#launch();
  }

  async #launch(): Promise<Worker> {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "auth" });
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = (event) => reject(new Error(event.message));
      worker.postMessage(this.settings);
    });
    worker.onerror = (event) => {
      event.preventDefault();
      this.onDeath();
    };
    worker.onmessage = ({ data }: MessageEvent<WorkerResponse>) => {
      this.#pending.get(data.id)?.(data);
      this.#pending.delete(data.id);
      this.#rest();
    };
    return worker;
  }

  #rest(): void {
    clearTimeout(this.#idle);
    if (this.#pending.size === 0) this.#idle = setTimeout(() => this.stop(), this.idle * 1000);
  }

  async handle(request: Request, url: URL, peer: string): Promise<Response> {
    const claims = await this.keys.claims(apiKeyOf(request, url));
    if (!claims && !OPEN.has(url.pathname)) {
      const message = apiKeyOf(request, url) ? "Invalid API key" : "No API key found in request";
      return json({ message }, 401);
    }
    const bytes = await readBody(request, MAX_BODY_BYTES);
    if (bytes === null) {
      return json({ code: 413, error_code: "validation_failed", msg: "Request body too large" }, 413);
    }
    const headers: [string, string][] = [["apikey", this.settings.publishableKey], ["x-empire-peer", peer]];
    for (const name of FORWARDED) {
      const value = request.headers.get(name);
      if (value !== null) headers.push([name, value]);
    }
    const target = new URL(url);
    target.searchParams.delete("apikey");
    return await this.#ask({
      id: this.#next++,
      method: request.method,
      url: target.href,
      headers,
      body: bytes.length === 0 ? null : new TextDecoder().decode(bytes),
      keyRole: claims?.role ?? "anon",
    });
  }

  async #ask(message: WorkerRequest): Promise<Response> {
    const answered = new Promise<WorkerResponse>((resolve) => this.#pending.set(message.id, resolve));
    const worker = await this.#running().catch((error) => {
      this.onDeath();
      throw error;
    });
    worker.postMessage(message);
    const { status, headers, body } = await answered;
    return new Response(NO_BODY.has(status) ? null : body, { status, headers });
  }
}

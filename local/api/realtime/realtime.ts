/** /realtime/v1: sockets, the stream from the database, and the timer that forgets old messages. */
import postgres from "postgres";
import { json } from "../http.ts";
import { apiKeyOf, type ApiKeys, bearerOf, type Claims, type Tokens } from "../keys.ts";
import { failure, log } from "../log.ts";
import { Authorizer } from "./authorize.ts";
import { broadcastApi } from "./broadcast_api.ts";
import { Hub } from "./hub.ts";
import { purge, replay } from "./replay.ts";
import { Socket } from "./socket.ts";
import { WalStream } from "./wal.ts";

const MAX_SOCKETS = 2000;
const IDLE_SECONDS = 60;
const HOUR_MS = 3_600_000;

export interface RealtimeSettings {
  adminUrl: string;
  /** Seconds after which a database session without work is closed. */
  idle: number;
  /** Seconds without a socket after which the stream from the database pauses. */
  serviceIdle: number;
  /** Refuse channels that are not private. */
  privateOnly: boolean;
}

export class Realtime {
  readonly #sockets = new Set<Socket>();
  readonly #hub = new Hub();
  readonly #sql: postgres.Sql;
  readonly #authorizer: Authorizer;
  readonly #stream: WalStream;
  #purgeTimer: ReturnType<typeof setInterval> | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly settings: RealtimeSettings,
    private readonly keys: ApiKeys,
    private readonly tokens: Tokens,
  ) {
    // The owner of realtime.messages: writes probes past RLS. The login may become any role, Authorizer allows three.
    this.#sql = postgres(settings.adminUrl, {
      max: 4,
      idle_timeout: settings.idle,
      onnotice: () => {},
      connection: {
        application_name: "empire-realtime",
        role: "supabase_realtime_admin",
        statement_timeout: 5000,
        lock_timeout: 2000,
      },
    });
    this.#authorizer = new Authorizer(this.#sql);
    this.#stream = new WalStream(settings.adminUrl, {
      wants: (topic) => this.#hub.hears(topic),
      onMessage: (message) => this.#hub.deliver(message),
      onGap: () => this.#interrupt(),
    });
  }

  /** Whether whoever listens hears everything. */
  get well(): boolean {
    return this.#stream.well;
  }

  async start(): Promise<void> {
    await this.#stream.start();
    this.#rest();
    this.#purgeTimer = setInterval(() => void this.#purge(), HOUR_MS);
    void this.#purge();
  }

  async stop(): Promise<void> {
    clearInterval(this.#purgeTimer);
    clearTimeout(this.#idle);
    for (const socket of [...this.#sockets]) socket.shutdown();
    await this.#stream.stop();
    await this.#sql.end({ timeout: 1 });
  }

  async handle(request: Request, url: URL): Promise<Response> {
    const key = request.headers.get("x-api-key") ?? apiKeyOf(request, url);
    if (url.pathname === "/realtime/v1/websocket") return await this.#connect(request, url, key);
    if (url.pathname.startsWith("/realtime/v1/api/broadcast")) {
      const services = {
        hub: this.#hub,
        authorizer: this.#authorizer,
        privateOnly: this.settings.privateOnly,
      };
      return await broadcastApi(services, await this.#caller(request, key), request, url);
    }
    return json({ message: "Not found" }, 404);
  }

  /** The user of a REST call: its token, else its key; null when either is not valid. */
  async #caller(request: Request, key: string | null): Promise<Claims | null> {
    const claims = await this.keys.claims(key);
    const bearer = bearerOf(request);
    if (!claims || bearer === null) return claims;
    return await this.tokens.verify(bearer).catch(() => null);
  }

  async #connect(request: Request, url: URL, key: string | null): Promise<Response> {
    if (!key) return json({ error: "API key is missing" }, 401);
    const claims = await this.keys.claims(key);
    if (!claims) return json({ error: "The token provided is not a valid JWT" }, 401);
    if (this.#sockets.size >= MAX_SOCKETS) return json({ error: "Too many connected users" }, 429);
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return json({ error: "Upgrade to websocket required" }, 426);
    }
    const version = (url.searchParams.get("vsn") ?? "1").startsWith("2") ? 2 : 1;
    const { socket: ws, response } = Deno.upgradeWebSocket(request, { idleTimeout: IDLE_SECONDS });
    ws.binaryType = "arraybuffer";
    const socket = new Socket(ws, version, claims, {
      tokens: this.tokens,
      authorizer: this.#authorizer,
      hub: this.#hub,
      privateOnly: this.settings.privateOnly,
      ready: () => this.#stream.live(),
      replay: (topic, since, limit) => replay(this.#sql, topic, since, limit),
    });
    this.#stream.resume();
    ws.onopen = () => {
      this.#sockets.add(socket);
      this.#stream.resume();
    };
    ws.onmessage = (event) => socket.accept(event.data);
    ws.onerror = () => {};
    ws.onclose = () => {
      this.#sockets.delete(socket);
      socket.dispose();
      this.#rest();
    };
    return response;
  }

  /** Nobody may be listening any more. */
  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.#sockets.size === 0) this.#stream.pause();
    }, this.settings.serviceIdle * 1000);
  }

  #interrupt(): void {
    log("realtime_gap", { sockets: this.#sockets.size });
    for (const socket of this.#sockets) {
      socket.interrupt("Replication connection was lost, messages may be missing");
    }
  }

  async #purge(): Promise<void> {
    try {
      const rows = await purge(this.#sql);
      if (rows > 0) log("realtime_purged", { rows });
    } catch (error) {
      log("realtime_purge_failed", failure(error));
    }
  }
}

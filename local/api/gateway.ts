/** Routes one request to the service it is for. */
import type { Config } from "./config.ts";
import type { FunctionsProxy } from "./functions_proxy.ts";
import { functionPath, plainPath } from "./functions_proxy.ts";
import { type Doorman, json } from "./http.ts";
import { failure, log } from "./log.ts";
import { serveStatic } from "./static.ts";

export interface Service {
  handle(request: Request, url: URL, peer: string): Promise<Response>;
}

export interface Services {
  rest: Service;
  auth: Service;
  realtime: Service;
  functions: FunctionsProxy;
  health: () => Promise<Response>;
}

export class Gateway {
  constructor(
    private readonly config: Pick<Config, "staticDir">,
    private readonly door: Doorman,
    private readonly services: Services,
  ) {}

  /** The answer to any request; never rejects. */
  async handle(request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>): Promise<Response> {
    if (!this.door.knowsHost(request)) return json({ message: "Unknown host" }, 421);
    if (request.method === "OPTIONS") return this.door.preflight(request);
    let response: Response;
    try {
      response = await this.#route(request, info.remoteAddr.hostname);
    } catch (error) {
      log("request_failed", { method: request.method, ...failure(error) });
      response = json({ message: "Internal server error" }, 500);
    }
    // An upgraded socket's response cannot be copied and needs no CORS.
    return response.status === 101 ? response : this.door.withCors(request, response);
  }

  async #route(request: Request, peer: string): Promise<Response> {
    const plain = functionPath(plainPath(request.url) ?? "");
    if (plain !== null) return await this.services.functions.handle(request, plain, "", peer);
    const url = new URL(request.url);
    const { pathname } = url;
    const toFunction = functionPath(pathname);
    if (toFunction !== null) {
      return await this.services.functions.handle(request, toFunction, url.search, peer);
    }
    if (pathname.startsWith("/rest/v1/")) return await this.services.rest.handle(request, url, peer);
    if (pathname.startsWith("/auth/v1/")) return await this.services.auth.handle(request, url, peer);
    if (pathname.startsWith("/realtime/v1/")) {
      if (!this.door.knowsOrigin(request)) return json({ message: "Unknown origin" }, 403);
      return await this.services.realtime.handle(request, url, peer);
    }
    if (pathname === "/health") return await this.services.health();
    const file = this.config.staticDir && await serveStatic(this.config.staticDir, request, pathname);
    return file || json({ message: "no Route matched with those values" }, 404);
  }
}

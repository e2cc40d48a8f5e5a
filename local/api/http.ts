/** Small pieces of HTTP shared by all routes: JSON answers, the Host check, CORS. */

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
  });
}

/** The body of a request, or null when it is longer than `max` bytes: counted while it is read, whatever it announces. */
export async function readBody(request: Request, max: number): Promise<Uint8Array<ArrayBuffer> | null> {
  if (Number(request.headers.get("content-length") ?? 0) > max) return null;
  if (request.headers.has("content-length") || request.body === null) {
    return new Uint8Array(await request.arrayBuffer());
  }
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request.body) {
    length += part.length;
    if (length > max) return null;
    parts.push(part);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];

/** `host[:port]` without its port, lower case. */
function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, "");
}

/**
 * Who may call from a browser. Supabase's own gateway answers every origin; ours answers its site and itself only,
 * because it listens beside other programs of the same user. Programs that send no Origin are not concerned.
 */
export class Doorman {
  readonly #hosts: Set<string>;
  readonly #origins: Set<string>;

  constructor(port: number, siteUrl: string) {
    const site = new URL(siteUrl);
    this.#hosts = new Set([...LOOPBACK, site.hostname.toLowerCase()]);
    this.#origins = new Set([site.origin, ...LOOPBACK.map((host) => `http://${host}:${port}`)]);
  }

  /** False for a name that is not ours: a page that rebinds its own DNS name to loopback sends it. */
  knowsHost(request: Request): boolean {
    const host = request.headers.get("host");
    return host !== null && this.#hosts.has(hostName(host));
  }

  /** True without an Origin (no browser) or with one of ours. */
  knowsOrigin(request: Request): boolean {
    const origin = request.headers.get("origin");
    return origin === null || this.#origins.has(origin);
  }

  /** The headers that let the caller's page read our answer; none for other pages. */
  corsHeaders(request: Request): Record<string, string> {
    const origin = request.headers.get("origin");
    if (origin === null || !this.#origins.has(origin)) return { vary: "origin" };
    return {
      "vary": "origin",
      "access-control-allow-origin": origin,
      "access-control-expose-headers":
        "content-encoding, content-location, content-range, content-type, date, location, retry-after, " +
        "server, sb-request-id, www-authenticate, x-total-count, link",
    };
  }

  preflight(request: Request): Response {
    const headers: Record<string, string> = this.corsHeaders(request);
    if ("access-control-allow-origin" in headers) {
      headers["access-control-allow-methods"] = "GET, POST, PATCH, PUT, DELETE, HEAD, OPTIONS";
      headers["access-control-allow-headers"] = request.headers.get("access-control-request-headers") ??
        "authorization, apikey, content-type, prefer, range, x-client-info, accept-profile, content-profile";
      headers["access-control-max-age"] = "86400";
    }
    return new Response(null, { status: 204, headers });
  }

  /** `response` with our CORS headers in place of any it came with. */
  withCors(request: Request, response: Response): Response {
    // Without an Origin nobody reads these headers; a permission must not get into a cache all the same.
    if (!request.headers.has("origin") && !response.headers.has("access-control-allow-origin")) {
      return response;
    }
    const ours = this.corsHeaders(request);
    const headers = new Headers(response.headers);
    const foreign = [...headers.keys()].filter((name) => name.startsWith("access-control-"));
    for (const name of foreign) headers.delete(name);
    for (const [name, value] of Object.entries(ours)) headers.set(name, value);
    return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
  }
}

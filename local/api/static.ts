/** The dashboard's files, with the single page for every other path. */
import { extname, join, normalize } from "node:path";

const TYPES: Record<string, string> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".map": "application/json; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};

const SECURITY = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
};

function decode(pathname: string): string | null {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return null;
  }
}

async function read(file: string): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    return await Deno.readFile(file);
  } catch {
    return null;
  }
}

/** A file under `root`, or its index.html for a path without an extension; null when neither exists. */
export async function serveStatic(
  root: string,
  request: Request,
  pathname: string,
): Promise<Response | null> {
  if (request.method !== "GET" && request.method !== "HEAD") return null;
  const path = decode(pathname);
  // normalize() of an absolute path cannot climb above "/": what is joined stays below root.
  if (path === null || path.includes("\0") || path.includes("\\")) return null;
  const wanted = normalize("/" + path);
  const extension = extname(wanted);
  let file = await read(join(root, wanted));
  let type = TYPES[extension] ?? "application/octet-stream";
  if (file === null && extension === "") {
    file = await read(join(root, "index.html"));
    type = TYPES[".html"];
  }
  if (file === null) return null;
  const immutable = wanted.startsWith("/assets/");
  return new Response(request.method === "HEAD" ? null : file, {
    headers: {
      ...SECURITY,
      "content-type": type,
      "cache-control": immutable ? "public, max-age=31536000, immutable" : "no-cache",
    },
  });
}

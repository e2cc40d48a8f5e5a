/** Loads edge functions into this process, each through its own index.ts, unchanged from hosted Supabase. */

export type Handler = (
  request: Request,
  info: Deno.ServeHandlerInfo,
) => Response | Promise<Response>;

interface Exported {
  default?: { fetch?: Handler };
}

/** A function that could not be loaded answers 503 with this reason in the log; the others serve. */
export interface Loaded {
  handlers: Map<string, Handler>;
  failed: Map<string, string>;
}

/** `Deno.serve(handler)`, `Deno.serve(options, handler)` and `Deno.serve({ handler })` all name a handler. */
export function handlerOf(args: unknown[]): Handler | undefined {
  for (const arg of args) {
    if (typeof arg === "function") return arg as Handler;
    const handler = (arg as { handler?: unknown } | null)?.handler;
    if (typeof handler === "function") return handler as Handler;
  }
  return undefined;
}

/** Names of the functions below a folder: those with an index.ts; `_shared` and its like are no functions. */
export function functionNames(folder: URL): string[] {
  const names = [...Deno.readDirSync(folder)].filter((e) => e.isDirectory && !e.name.startsWith("_"));
  return names.map((entry) => entry.name).filter((name) => exists(new URL(`${name}/index.ts`, folder)))
    .sort();
}

/**
 * Imports the functions one after another: what calls Deno.serve meanwhile belongs to the one being imported.
 * The real Deno.serve comes back for nobody: a function never opens a port.
 */
export async function loadFunctions(folder: URL): Promise<Loaded> {
  const loaded: Loaded = { handlers: new Map(), failed: new Map() };
  let current = "";
  const register = (...args: unknown[]) => {
    const handler = handlerOf(args);
    if (handler) loaded.handlers.set(current, handler);
    return idleServer();
  };
  Object.defineProperty(Deno, "serve", { value: register, configurable: true });
  for (const name of functionNames(folder)) {
    current = name;
    try {
      const module: Exported = await import(
        new URL(`${name}/index.ts`, folder).href
      );
      if (module.default?.fetch) {
        loaded.handlers.set(name, module.default.fetch);
      }
      if (!loaded.handlers.has(name)) {
        throw new Error("index.ts serves nothing");
      }
    } catch (error) {
      loaded.handlers.delete(name);
      loaded.failed.set(name, String(error));
    }
  }
  return loaded;
}

function exists(file: URL): boolean {
  try {
    return Deno.statSync(file).isFile;
  } catch {
    return false;
  }
}

function idleServer(): Deno.HttpServer<Deno.NetAddr> {
  return {
    finished: new Promise<void>(() => {}),
    addr: { transport: "tcp", hostname: "127.0.0.1", port: 0 },
    ref() {},
    unref() {},
    shutdown: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

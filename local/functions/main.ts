/**
 * Serves supabase/functions/* on one loopback port for the gateway.
 *
 * Environment: EMPIRE_FUNCTIONS_PORT, EMPIRE_FUNCTIONS_SECRET, EMPIRE_BOOT_NONCE, and what the functions read.
 * Prints `ready <port>` when serving.
 */
import { makeHost } from "./host.ts";
import { loadFunctions } from "./registry.ts";

const FOLDER = new URL("../../supabase/functions/", import.meta.url);

function required(name: string): string {
  const value = Deno.env.get(name);
  if (!value) {
    console.error(`${name} is not set`);
    Deno.exit(64);
  }
  return value;
}

/** What hosted edge functions use for work after the answer. */
function provideEdgeRuntime(): void {
  const waitUntil = (work: Promise<unknown>) => {
    work.catch((error) => console.error("waitUntil:", error));
    return work;
  };
  Object.defineProperty(globalThis, "EdgeRuntime", { value: { waitUntil } });
}

// One function's forgotten rejection must not end the process of all the others.
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  console.error("unhandled rejection:", event.reason);
});

const serve = Deno.serve.bind(Deno);
const port = Number(required("EMPIRE_FUNCTIONS_PORT"));
const config = {
  nonce: Deno.env.get("EMPIRE_BOOT_NONCE") ?? "",
  secret: required("EMPIRE_FUNCTIONS_SECRET"),
};
provideEdgeRuntime();
const loaded = await loadFunctions(FOLDER);
for (const [name, reason] of loaded.failed) {
  console.error(`function ${name} failed to start: ${reason}`);
}
serve(
  { port, hostname: "127.0.0.1", onListen: () => console.log(`ready ${port}`) },
  makeHost(config, loaded),
);

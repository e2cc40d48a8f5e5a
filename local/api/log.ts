/** One JSON object a line on stderr. Never given a path, a header, a body or a database row. */

const encoder = new TextEncoder();

export function log(event: string, fields: Record<string, string | number | boolean> = {}): void {
  const line = JSON.stringify({ ts: new Date().toISOString(), source: "gateway", event, ...fields });
  Deno.stderr.writeSync(encoder.encode(line + "\n"));
}

/** What may be said of a failure: its name and code, not its message (messages quote rows and tokens). */
export function failure(error: unknown): Record<string, string> {
  const code = (error as { code?: unknown } | null)?.code;
  return {
    error: error instanceof Error ? error.name : typeof error,
    ...(typeof code === "string" ? { code } : {}),
  };
}

/**
 * @supabase/lite prints every database error, with the failing row, through console.error. Their text reaches the
 * client that caused them; it has no place in a log.
 */
export function silenceConsole(): void {
  console.error = () => {};
  console.info = () => {};
}

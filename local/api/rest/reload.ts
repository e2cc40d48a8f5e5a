/** `notify pgrst, 'reload schema'`: what migrations say after they have changed what REST may see. */
import postgres from "postgres";
import { failure, log } from "../log.ts";
import type { LiteConnection } from "./lite.ts";

/** Several migrations notify one after the other: read the schema once for all of them. */
const QUIET_MS = 50;

/** Reloads the schema cache at each notification and whenever the listening connection had to be made anew. */
export async function reloadOnNotify(url: string, connection: LiteConnection): Promise<void> {
  const sql = postgres(url, {
    max: 1,
    onnotice: () => {},
    connection: { application_name: "empire-rest-listen" },
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const reload = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      connection.clearSchemaCache().catch((error) => log("schema_reload_failed", failure(error)));
    }, QUIET_MS);
  };
  await sql.listen("pgrst", reload, reload);
}

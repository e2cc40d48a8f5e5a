/** The function `endpoint`: reads its environment once and serves. */
// On hosted Supabase a function is bundled alone; a full specifier means the same there and here.
// deno-lint-ignore no-import-prefix
import { createClient } from "npm:@supabase/supabase-js@2.119.1";
import { TokenKeys } from "../_shared/token.ts";
import { handleEndpoint, type Refused, type Revealed } from "./handler.ts";

const url = Deno.env.get("SUPABASE_URL") ?? "";
const anonKey = Deno.env.get("SUPABASE_ANON_KEY") ?? "";
const keys = TokenKeys.parse(Deno.env.get("EMPIRE_TOKEN_KEYS") ?? "");

async function reveal(authorization: string, endpointId: string): Promise<Revealed | Refused> {
  const client = createClient(url, anonKey, {
    global: { headers: { Authorization: authorization } },
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const { data, error, status } = await client.rpc("reveal_endpoint", { p_endpoint_id: endpointId });
  if (error === null) return data as Revealed;
  // Without an answer of the API the status is 0; what the API itself refused carries its own code as hint.
  if (status < 400 || status >= 500) return { status: 503, code: "unavailable", message: "Try again later." };
  return { status, code: error.hint || "refused", message: error.message };
}

Deno.serve((request) => handleEndpoint(request, keys, reveal));

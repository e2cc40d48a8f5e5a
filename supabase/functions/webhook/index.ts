/** The function `webhook`: reads its environment once and serves. */
import { trustedHops } from "../_shared/client_address.ts";
import { Database, databaseSettings } from "../_shared/database.ts";
import { TokenKeys } from "../_shared/token.ts";
import { WebhookHandler } from "./handler.ts";

const environment = (name: string) => Deno.env.get(name);
const handler = new WebhookHandler({
  keys: TokenKeys.parse(environment("EMPIRE_TOKEN_KEYS") ?? ""),
  inbox: new Database(databaseSettings(environment)),
  trustedHops: trustedHops(environment("TRUSTED_PROXY_HOPS")),
});

Deno.serve((request: Request, info?: Deno.ServeHandlerInfo) => {
  const peer = info?.remoteAddr;
  return handler.handle(request, peer && "hostname" in peer ? peer.hostname : null);
});

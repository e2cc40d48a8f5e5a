/** Refusals of the auth service, in the shape of Supabase Auth. */
import { json } from "../http.ts";

/** A refusal the client is told: HTTP status, stable code, sentence. */
export class AuthFault extends Error {
  override name = "AuthFault";
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
  }
}

export function faultResponse(fault: AuthFault): Response {
  const body = { code: fault.status, error_code: fault.code, msg: fault.message };
  return json(body, fault.status, { "x-sb-error-code": fault.code });
}

/** What the client sees of a failure of ours. */
export function unexpected(): AuthFault {
  return new AuthFault(
    500,
    "unexpected_failure",
    "Unexpected failure, please check server logs for more information",
  );
}

/** Time-based one-time passwords: RFC 6238 with SHA-1, six digits, 30 seconds; one step early or late is accepted. */
import { Secret, TOTP } from "otpauth";
import QRCode from "qrcode";

const STEP_SECONDS = 30;
const SKEW_STEPS = 1;

export interface Enrollment {
  secret: string;
  uri: string;
  qr_code: string;
}

/** A new secret with the picture that an authenticator scans. */
export async function enroll(issuer: string, label: string): Promise<Enrollment> {
  const secret = new Secret({ size: 20 });
  const uri = new TOTP({ issuer, label, secret }).toString();
  return { secret: secret.base32, uri, qr_code: await QRCode.toString(uri, { type: "svg" }) };
}

/** The time step `code` belongs to, or null when it is no code of now. */
export function acceptedStep(secret: string, code: string, now = Date.now()): number | null {
  if (!/^\d{6}$/.test(code)) return null;
  const totp = new TOTP({ secret: Secret.fromBase32(secret), period: STEP_SECONDS });
  const offset = totp.validate({ token: code, window: SKEW_STEPS, timestamp: now });
  return offset === null ? null : Math.floor(now / 1000 / STEP_SECONDS) + offset;
}

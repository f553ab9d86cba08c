import type { FastifyReply } from 'fastify';

export const SESSION_COOKIE = 'gateway_admin';

/** Not readable by scripts, sent to the console alone, and never along with a link of another site. */
const where = (prefix: string) =>
  ({ path: `${prefix}/admin`, httpOnly: true, sameSite: 'strict' }) as const;

export function setSessionCookie(
  reply: FastifyReply,
  token: string,
  options: { prefix: string; https: boolean; hours: number },
): void {
  const { prefix, https: secure, hours } = options;
  const attributes = { ...where(prefix), secure, maxAge: hours * 3600 };
  void reply.setCookie(SESSION_COOKIE, token, attributes);
}

export function clearSessionCookie(reply: FastifyReply, prefix: string): void {
  void reply.clearCookie(SESSION_COOKIE, where(prefix));
}

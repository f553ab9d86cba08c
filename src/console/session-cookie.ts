import type { FastifyReply } from 'fastify';

export const SESSION_COOKIE = 'gateway_admin';

/** Not readable by scripts, sent to the console alone, and never along with a link of another site. */
const WHERE = { path: '/admin', httpOnly: true, sameSite: 'strict' } as const;

export function giveCookie(
  reply: FastifyReply,
  token: string,
  options: { https: boolean; hours: number },
): void {
  const { https: secure, hours } = options;
  void reply.setCookie(SESSION_COOKIE, token, { ...WHERE, secure, maxAge: hours * 3600 });
}

export function takeCookie(reply: FastifyReply): void {
  void reply.clearCookie(SESSION_COOKIE, WHERE);
}

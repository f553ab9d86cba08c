import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** What the cookie of a session holds: 256 random bits. */
export function newSessionToken(): string {
  return randomBytes(32).toString('base64url');
}

export function isSessionToken(text: string | undefined): text is string {
  return text !== undefined && /^[\w-]{43}$/.test(text);
}

export function hashOfToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/**
 * What every form of a session carries. Only who knows the cookie can compute it, and it tells
 * nothing about the cookie.
 */
export function csrfTokenOf(token: string): string {
  return createHmac('sha256', token).update('form').digest('base64url');
}

/** In a time that does not depend on where they differ. */
export function sameText(one: string, other: string): boolean {
  return timingSafeEqual(hashOfToken(one), hashOfToken(other));
}

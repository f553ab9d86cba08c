import { isJsonObject, JsonObject, stringAt } from '../json.js';

/** The kinds of `input` and `document_url` (fact sheet 2.3). */
export type InputReference =
  | { kind: 'upload'; reference: string }
  | { kind: 'job'; jobId: string }
  | { kind: 'loopback'; url: string }
  | { kind: 'remote'; url: string }
  | { kind: 'invalid'; text: string };

/** v3 bodies have `input`, edit and legacy bodies `document_url`; only v3 accepts a list. */
export function inputsOf(body: JsonObject): InputReference[] {
  const input = body['input'] ?? body['document_url'];
  return (Array.isArray(input) ? input : [input]).map(referenceOf);
}

function referenceOf(input: unknown): InputReference {
  const text = isJsonObject(input) ? stringAt(input, 'file_id') : input;
  if (typeof text !== 'string')
    return { kind: 'invalid', text: JSON.stringify(input) ?? 'nothing' };
  if (text.startsWith('reducto://')) return { kind: 'upload', reference: text };
  if (text.startsWith('jobid://')) return { kind: 'job', jobId: text.slice('jobid://'.length) };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['http:', 'https:', 's3:'].includes(url.protocol)) return { kind: 'invalid', text };
  return isLoopback(url) ? { kind: 'loopback', url: text } : { kind: 'remote', url: text };
}

function isLoopback({ protocol, hostname }: URL): boolean {
  if (protocol !== 'http:') return false;
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

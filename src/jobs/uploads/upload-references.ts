import { Injectable } from '@nestjs/common';
import { GatewayError, type FieldError } from '../../platform/errors/error-codes.js';
import { cutName, MAX_FIELD_ERRORS } from '../../platform/errors/field-errors.js';
import { FairTurns } from '../../platform/fair-turns.js';
import { readMembersFairly } from '../../platform/json/json-members.js';
import { findStrings } from '../../platform/json/json-strings.js';
import { matchStripped, readBeginning } from '../submission/reference-text.js';
import { UploadStore } from './upload.store.js';

/** The members in which Reducto reads documents. */
const DOCUMENT_MEMBERS = new Set(['input', 'document_url']);
const MAX_DOCUMENTS = 1000;
const SCHEME = 'reducto';
/** Longer text without whitespace is not prose. */
const MAX_REFERENCE = 1000;

interface DocumentText {
  readonly path: string;
  readonly text: string;
  /** Whether Reducto reads it as a document: the member itself, an item of its list, or its `file_id`. */
  readonly isDocument: boolean;
}

/**
 * Checks the uploads (`reducto://<id>`) in a job request. Reducto does not know the services, so only an exact id that the
 * gateway issued to the same service passes; other spellings are rejected, because Reducto may accept them.
 */
@Injectable()
export class UploadReferences {
  constructor(private readonly store: UploadStore) {}

  /**
   * `request`: the JSON text for Reducto. Throws `validation_failed` with the path of each reference to an upload that is
   * unknown, belongs to another service, or is not allowed there.
   */
  async check(service: string, request: string): Promise<void> {
    const { documents, errors } = await readTexts(request);
    const ids = documents.map(({ text }) => text).filter(isUploadId);
    const issued =
      ids.length === 0 ? new Set() : await this.store.findIssued(service, [...new Set(ids)]);
    for (const { path, text, isDocument } of documents) {
      const message = issued.has(text) ? undefined : problemOf(text, isDocument);
      if (message !== undefined) errors.push({ path: cutName(path), message });
    }
    if (errors.length > 0) {
      throw new GatewayError('validation_failed', undefined, {
        errors: errors.slice(0, MAX_FIELD_ERRORS),
      });
    }
  }
}

async function readTexts(
  request: string,
): Promise<{ documents: DocumentText[]; errors: FieldError[] }> {
  const documents: DocumentText[] = [];
  const errors: FieldError[] = [];
  const turns = new FairTurns();
  // Checks all members of one name: Reducto may use either.
  for (const { name, value } of await readMembersFairly(request)) {
    await turns.pause();
    if (DOCUMENT_MEMBERS.has(name)) {
      const found = await findStrings(request, () => true, MAX_DOCUMENTS + 1, value);
      if (found.length > MAX_DOCUMENTS) {
        errors.push({ path: name, message: `can hold at most ${MAX_DOCUMENTS} documents` });
        continue;
      }
      for (const { path, value: document } of found) {
        documents.push({
          path: [name, ...path].join('.'),
          text: document,
          isDocument:
            path.length === 0 ||
            (path.length === 1 && (typeof path[0] === 'number' || path[0] === 'file_id')),
        });
      }
    } else {
      const found = await findStrings(request, isReferenceAt, MAX_FIELD_ERRORS, value);
      for (const { path } of found) {
        errors.push({
          path: cutName([name, ...path].join('.')),
          message: 'cannot hold a reducto:// id; only `input` and `document_url` can',
        });
      }
    }
  }
  return { documents, errors };
}

function problemOf(text: string, isDocument: boolean): string | undefined {
  if (isUploadId(text)) return 'names an upload that does not exist; upload the file again';
  if (isDocument ? isOtherDocument(text) : !isReference(text)) return undefined;
  return 'must be a URL, the id of an upload exactly as the gateway returned it, or jobid:// and the id of a job';
}

/** Whether the gateway can have issued `text`. PostgreSQL refuses other characters, such as NUL. */
export function isUploadId(text: string): boolean {
  return /^reducto:\/\/[\w.-]{1,200}$/.test(text);
}

/**
 * Whether the text cannot be an upload: empty, a URL, or `jobid://`, which is checked elsewhere. Text without a scheme may be an
 * id, because Reducto adds the scheme.
 */
function isOtherDocument(text: string): boolean {
  if (text.trim() === '') return true;
  if (/^\s*jobid:\/\//i.test(text)) return true;
  if (/^\s*https?:\/\//i.test(text)) return !/reducto:[/\\]/i.test(text);
  return /^[a-z][a-z\d+.-]*:/i.test(text) && !/(?:reducto|jobid):/i.test(text);
}

/** Other fields contain prose, such as prompts: only a text that is entirely a reference counts. */
function isReference(text: string): boolean {
  return /^[\s\p{C}\p{Z}]*reducto(?::|%3a)(?:[/\\]|\S+$)/iu.test(text);
}

/** Reads only the possible length of a scheme and id, because a large request has megabytes of text. */
const isReferenceAt = matchStripped((json, start, end) => {
  if (readBeginning(json, start, end, SCHEME.length).toLowerCase() !== SCHEME) return false;
  return isReference(readBeginning(json, start, end, MAX_REFERENCE));
});

import { Injectable } from '@nestjs/common';
import { GatewayError, type FieldError } from '../platform/errors/error-codes.js';
import { cutName, MAX_FIELD_ERRORS } from '../platform/errors/field-errors.js';
import { findStrings, readMembers } from '../platform/json/json-text.js';
import { UploadStore } from './upload.store.js';

/** The members in which Reducto reads documents. */
const DOCUMENT_MEMBERS = new Set(['input', 'document_url']);

interface DocumentText {
  readonly path: string;
  readonly text: string;
  /** Whether Reducto reads it as a document: the member itself, an item of its list, or its `file_id`. */
  readonly isDocument: boolean;
}

/**
 * The uploads that a request for a job names as `reducto://<id>`. Reducto knows nothing of services, so only an id that
 * the gateway issued to the same service, letter by letter, passes; whatever else could be read as an upload is refused.
 */
@Injectable()
export class UploadReferences {
  constructor(private readonly store: UploadStore) {}

  /**
   * `request`: the JSON text that goes to Reducto. Throws `validation_failed` with the path of each text that names an
   * upload of another service or an unknown one, or that stands where no upload can.
   */
  async check(service: string, request: string): Promise<void> {
    const { documents, errors } = readTexts(request);
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

function readTexts(request: string): { documents: DocumentText[]; errors: FieldError[] } {
  const documents: DocumentText[] = [];
  const errors: FieldError[] = [];
  // A member that is given twice is read twice: Reducto may believe either.
  for (const { name, value } of readMembers(request)) {
    const text = request.slice(value.start, value.end);
    if (DOCUMENT_MEMBERS.has(name)) {
      for (const found of findStrings(text, () => true, Infinity)) {
        const [step] = found.path;
        documents.push({
          path: [name, ...found.path].join('.'),
          text: found.value,
          isDocument:
            step === undefined ||
            (found.path.length === 1 && (typeof step === 'number' || step === 'file_id')),
        });
      }
    } else {
      for (const { path } of findStrings(text, isMisplaced, MAX_FIELD_ERRORS)) {
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
  if (couldNameUpload(text)) return 'must name an upload exactly as the gateway returned its id';
  if (isDocument && !/^[\s\p{C}]*[a-z][a-z\d+.-]*:/iu.test(text)) {
    return 'must be a URL, the id of an upload, or jobid:// and the id of a job';
  }
  return undefined;
}

function isUploadId(text: string): boolean {
  return /^reducto:\/\/[\w.-]{1,200}$/.test(text);
}

/** Whether some reader, after decoding or cleaning, could find the scheme in it. A URL can hold the word. */
function couldNameUpload(text: string): boolean {
  const plain = plainText(text).replace(/[\s\p{Z}]/gu, '');
  return /^https?:/.test(plain) ? /reducto:[/\\]/.test(plain) : plain.includes('reducto:');
}

/** Other fields hold prose, such as prompts: only a text that is a reference and nothing else is refused. */
function isMisplaced(json: string, start: number, end: number): boolean {
  if (!canBeginScheme(json.charCodeAt(start))) return false;
  const plain = plainText(String(JSON.parse(json.slice(start - 1, end + 1))));
  return /^[\s\p{Z}]*reducto:(?:[/\\]|\S+$)/u.test(plain);
}

/** Tests the first character before the string is decoded, because a large request holds many strings. */
function canBeginScheme(code: number): boolean {
  return code <= 0x20 || code > 0x7e || 'rR%\\'.includes(String.fromCharCode(code));
}

const MAX_DECODINGS = 5;

/** Percent-decoded, in compatibility form (NFKC), without control and format characters, in lower case. */
function plainText(text: string): string {
  let plain = text;
  for (let count = 0; count < MAX_DECODINGS && /%[\da-f]{2}/i.test(plain); count++) {
    plain = plain.replace(/(?:%[\da-f]{2})+/gi, (encoded) =>
      Buffer.from(encoded.replaceAll('%', ''), 'hex').toString(),
    );
  }
  return plain
    .normalize('NFKC')
    .replace(/[\p{Cf}\p{Co}\p{Cs}]|(?!\s)\p{Cc}/gu, '')
    .toLowerCase();
}

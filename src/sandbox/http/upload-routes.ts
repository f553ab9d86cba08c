import { Readable } from 'node:stream';
import { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError, namedError, validationError } from '../api-error.js';
import { Backend } from '../backend.js';
import { isJsonObject, JsonObject } from '../json.js';
import { linkBase } from './link-base.js';
import { TooLargeError, Upload } from '../documents/upload-store.js';

interface UploadCall {
  Querystring: { extension?: string };
}

/** The lifetime of a presigned upload link is UNKNOWN. */
const PRESIGNED_TTL_MS = 3_600_000;

const PREFIX = '/upload/';

/** POST /upload: with a file, or without one for an id and a presigned link for the bytes. */
export function uploadRoutes(api: FastifyInstance, backend: Backend): void {
  api.post<UploadCall>('/upload', (request) => upload(backend, request));
  api.delete(`${PREFIX}*`, ({ url }) => remove(backend, url));
}

/** The id has slashes, raw or escaped: hence, it is the decoded rest of the path. */
async function remove({ uploads, clock }: Backend, url: string): Promise<JsonObject> {
  const fileId = decoded(url.slice(PREFIX.length).replace(/\?.*$/u, ''));
  if (!(await uploads.delete(fileId, clock.now()))) {
    throw namedError(404, 'NOT_FOUND', `File not found: ${fileId}`);
  }
  return { file_id: fileId };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function upload(backend: Backend, request: FastifyRequest<UploadCall>): Promise<JsonObject> {
  const answer = request.isMultipart() ? await directUpload(backend, request) : undefined;
  return answer ?? presignedUpload(backend, request);
}

/** Returns undefined if the body has no file. */
async function directUpload(
  backend: Backend,
  request: FastifyRequest<UploadCall>,
): Promise<JsonObject | undefined> {
  if (request.headers['content-length'] === '0') return undefined;
  const { uploadLimitBytes } = backend.platform.current;
  // The store enforces the limit; the parser's own limit would truncate the file without an error.
  const parts = request.parts({ limits: { fileSize: Number.MAX_SAFE_INTEGER } });
  for await (const part of parts) {
    if (part.fieldname !== 'file') {
      if (part.type === 'file') part.file.resume();
      continue;
    }
    if (part.type !== 'file') throw noFile();
    const file = await saved(backend, part.file, uploadLimitBytes);
    const created = newUpload(backend, request.query.extension ?? extensionOf(part.filename));
    created.file = file;
    return { file_id: created.fileId, presigned_url: null };
  }
  return undefined;
}

function noFile(): ApiError {
  return validationError([
    { loc: ['body', 'file'], msg: 'Expected UploadFile', type: 'value_error' },
  ]);
}

/** Refuses a `file` in JSON: the SDK sends a string or a bare Buffer that way. */
function presignedUpload(backend: Backend, request: FastifyRequest<UploadCall>): JsonObject {
  const file = isJsonObject(request.body) ? request.body['file'] : null;
  if (file !== undefined && file !== null) throw noFile();
  const created = newUpload(backend, request.query.extension);
  const base = linkBase(backend, request);
  return {
    file_id: created.fileId,
    presigned_url: backend.links.make(base, `presigned/${created.id}`, PRESIGNED_TTL_MS),
  };
}

export async function saved(
  { uploads }: Backend,
  source: Readable,
  limitBytes: number,
): Promise<NonNullable<Upload['file']>> {
  try {
    return await uploads.save(source, limitBytes);
  } catch (error) {
    if (!(error instanceof TooLargeError)) throw error;
    throw tooLarge(limitBytes);
  }
}

function tooLarge(limitBytes: number): ApiError {
  const message = `The file is larger than ${limitBytes} bytes. Use a presigned upload.`;
  return namedError(413, 'DOCUMENT_TOO_LARGE', message);
}

function newUpload({ uploads, clock }: Backend, extension: string | undefined): Upload {
  return uploads.create(extension, clock.now());
}

function extensionOf(filename: string): string | undefined {
  return /\.(?<extension>[A-Za-z0-9]{1,10})$/u.exec(filename)?.groups?.['extension'];
}

import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { request } from 'undici';
import { Settings } from '../platform/config/settings.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { ApiKeyStatus } from './api-key-status.js';
import { neverSent, Transport } from './transport.js';
import { isRecord } from '../platform/json/is-record.js';
import { readUpstreamError } from './upstream-error.js';

export interface UploadFile {
  readonly name: string;
  readonly contentType: string;
  /** File type if the name has no extension. */
  readonly extension?: string;
  readonly content: AsyncIterable<Buffer>;
}

/** Maximum size of an answer. */
const MAX_ANSWER_BYTES = 65_536;

/** Reducto’s `POST /upload`. Streams the file with backpressure. */
@Injectable()
export class UploadsClient {
  constructor(
    private readonly settings: Settings,
    private readonly transport: Transport,
    private readonly apiKey: ApiKeyStatus,
  ) {}

  /**
   * Uploads `file` and returns its `reducto://` id. Throws `upload_rejected` if Reducto rejects the file,
   * `upstream_rejected` if it rejects the API key, and `upstream_unavailable` if a retry may help. Errors of
   * `file.content` pass through.
   */
  async uploadFile(file: UploadFile): Promise<string> {
    const base = this.settings.REDUCTO_BASE_URL.href.replace(/\/$/, '');
    const query =
      file.extension === undefined ? '' : `?extension=${encodeURIComponent(file.extension)}`;
    const boundary = `----gateway-${randomBytes(18).toString('hex')}`;
    const failure: { ofContent?: unknown } = {};
    try {
      const { statusCode, headers, body } = await request(`${base}/upload${query}`, {
        method: 'POST',
        dispatcher: this.transport.agent,
        signal: AbortSignal.timeout(this.settings.UPLOAD_TIMEOUT_SECONDS * 1000),
        headers: {
          authorization: `Bearer ${this.settings.REDUCTO_API_KEY ?? ''}`,
          'content-type': `multipart/form-data; boundary=${boundary}`,
          accept: 'application/json',
        },
        body: Readable.from(encode(file, boundary, failure), { objectMode: false }),
      });
      this.apiKey.recordAnswer(statusCode);
      const answer = parse(await readLimited(body));
      const fileId = isRecord(answer) ? answer['file_id'] : undefined;
      if (
        statusCode === 200 &&
        typeof fileId === 'string' &&
        /^reducto:\/\/[\w.-]{1,200}$/.test(fileId)
      ) {
        return fileId;
      }
      throw refusal(statusCode, answer, headers['retry-after']);
    } catch (error) {
      if (failure.ofContent !== undefined) throw failure.ofContent;
      if (error instanceof GatewayError) throw error;
      throw new GatewayError(
        'upstream_unavailable',
        neverSent(error)
          ? 'Reducto cannot be reached.'
          : 'The upload to Reducto broke off. Upload the file again.',
        { retryAfterSeconds: 5, cause: error },
      );
    }
  }
}

async function* encode(
  file: UploadFile,
  boundary: string,
  failure: { ofContent?: unknown },
): AsyncGenerator<Buffer> {
  yield Buffer.from(
    `--${boundary}\r\n` +
      `Content-Disposition: form-data; name="file"; filename="${quotable(file.name)}"\r\n` +
      `Content-Type: ${file.contentType}\r\n\r\n`,
  );
  try {
    yield* file.content;
  } catch (error) {
    failure.ofContent = error;
    throw error;
  }
  yield Buffer.from(`\r\n--${boundary}--\r\n`);
}

/** Percent-encodes quotes and line breaks, like browsers. */
function quotable(name: string): string {
  return name.replace(/["\r\n]/g, (character) => encodeURIComponent(character));
}

async function readLimited(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > MAX_ANSWER_BYTES) break;
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function refusal(status: number, answer: unknown, retryAfter: unknown): GatewayError {
  const error = readUpstreamError(status, answer);
  if (status === 429 || status >= 500) {
    return new GatewayError('upstream_unavailable', error.message, {
      retryAfterSeconds: Number(retryAfter) > 0 ? Number(retryAfter) : 5,
    });
  }
  if (status >= 400 && status !== 401 && status !== 403) {
    return new GatewayError('upload_rejected', error.message);
  }
  return new GatewayError('upstream_rejected', error.message);
}

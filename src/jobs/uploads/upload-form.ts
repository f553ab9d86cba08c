import { createHash } from 'node:crypto';
import type { Multipart, MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { cutName } from '../../platform/errors/field-errors.js';
import type { UploadDigest } from './upload.store.js';

export const EXPECTED_UPLOAD =
  'Send multipart/form-data with the file as part "file": curl "$URL/v1/uploads" -H "Authorization: Bearer $KEY" -F file=@document.pdf. Uploads without a file are not supported.';

/** Overhead of the form; a request that declares more is rejected unread. */
const MAX_FORM_BYTES = 65_536;
/** Allows one extra part, so that the error can name it. */
const LIMITS = { files: 2, fields: 1, parts: 3, fieldSize: 1024 };

/** Streams the file of an upload form. */
export class UploadForm {
  private digest: UploadDigest | undefined;

  private constructor(
    private readonly part: MultipartFile,
    private readonly otherParts: AsyncIterator<Multipart>,
    private readonly maxBytes: number,
  ) {}

  /** Reads the form up to its file. Throws `GatewayError` if the form does not begin with one. */
  static async open(request: FastifyRequest, maxBytes: number): Promise<UploadForm> {
    if (!request.isMultipart()) {
      throw new GatewayError('unsupported_media_type', EXPECTED_UPLOAD);
    }
    const declaredBytes = Number(request.headers['content-length'] ?? 0);
    if (declaredBytes > maxBytes + MAX_FORM_BYTES) throw tooLarge(maxBytes);
    const parts = request.parts({ limits: LIMITS });
    const { value: part } = await parts.next().catch(rethrowAsMalformed);
    if (part?.type === 'file' && part.fieldname === 'file') {
      return new UploadForm(part, parts, maxBytes);
    }
    if (part?.type === 'file') part.file.resume();
    throw invalidField('file', 'is required as the first part of the form');
  }

  get name(): string {
    return this.part.filename === '' ? 'document' : this.part.filename;
  }

  get contentType(): string {
    const { mimetype } = this.part;
    return /^[\w.+-]+\/[\w.+-]+$/.test(mimetype) ? mimetype : 'application/octet-stream';
  }

  /** The bytes of the file. Throws if the form has other parts. */
  async *read(): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    try {
      for await (const chunk of this.part.file as AsyncIterable<Buffer>) {
        sizeBytes += chunk.length;
        if (sizeBytes > this.maxBytes) throw tooLarge(this.maxBytes);
        hash.update(chunk);
        yield chunk;
      }
      await this.expectEnd();
    } catch (error) {
      rethrowAsMalformed(error);
    }
    if (sizeBytes === 0) throw invalidField('file', 'is empty');
    this.digest = { sha256: hash.digest(), sizeBytes };
  }

  /** Reads the file to its end for its digest. */
  async readDigest(): Promise<UploadDigest> {
    for await (const _chunk of this.read());
    return this.digestOfRead;
  }

  /** Digest of the file, after `read` has ended. */
  get digestOfRead(): UploadDigest {
    if (this.digest === undefined) throw new Error('the file was not read to its end');
    return this.digest;
  }

  /** Discards the rest, so that the connection stays usable. */
  abandon(): void {
    this.part.file.resume();
  }

  private async expectEnd(): Promise<void> {
    const { done, value: part } = await this.otherParts.next();
    if (done === true) return;
    if (part.type === 'file') part.file.resume();
    throw invalidField(part.fieldname, 'is a second part of the form; send one file per request');
  }
}

function rethrowAsMalformed(error: unknown): never {
  if (error instanceof GatewayError) throw error;
  throw new GatewayError('malformed_request', 'The form is malformed or ended too early.', {
    cause: error,
  });
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('payload_too_large', `An upload can have at most ${maxBytes} bytes.`);
}

function invalidField(path: string, message: string): GatewayError {
  return new GatewayError('validation_failed', undefined, {
    errors: [{ path: cutName(path), message }],
  });
}

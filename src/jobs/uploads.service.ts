import type { MultipartFile } from '@fastify/multipart';
import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Settings } from '../platform/config/settings.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { withoutPilingUp } from '../platform/young-garbage.js';
import { UploadsClient } from '../reducto/uploads.client.js';

/** Passes uploads on to Reducto while they arrive: at no time is more than a chunk or two in memory. */
@Injectable()
export class UploadsService {
  constructor(
    private readonly settings: Settings,
    private readonly client: UploadsClient,
  ) {}

  /** The `reducto://` id of the file in `request`. */
  async passOn(request: FastifyRequest, extension: string | undefined): Promise<string> {
    const part = await this.firstFile(request);
    return this.client.upload({
      name: part.filename === '' ? 'document' : part.filename,
      contentType: /^[\w.+-]+\/[\w.+-]+$/.test(part.mimetype)
        ? part.mimetype
        : 'application/octet-stream',
      content: withoutPilingUp(limited(part, this.settings.UPLOAD_MAX_BYTES)),
      ...(extension === undefined ? {} : { extension: extension.replace(/^\./, '') }),
    });
  }

  private async firstFile(request: FastifyRequest): Promise<MultipartFile> {
    if (!request.isMultipart()) {
      throw new GatewayError(
        'unsupported_media_type',
        'Send multipart/form-data with the file as part "file".',
      );
    }
    const declared = Number(request.headers['content-length'] ?? 0);
    // The form around the file is small; what is far larger need not be read at all.
    if (declared > this.settings.UPLOAD_MAX_BYTES + 65_536)
      throw tooLarge(this.settings.UPLOAD_MAX_BYTES);
    const part = await request.file().catch(brokenForm);
    if (part?.fieldname !== 'file') {
      part?.file.resume();
      throw new GatewayError('validation_failed', undefined, {
        errors: [
          {
            path: 'file',
            message: 'is required: the file, as the first part of the form with content',
          },
        ],
      });
    }
    return part;
  }
}

async function* limited(part: MultipartFile, maxBytes: number): AsyncGenerator<Buffer> {
  let size = 0;
  try {
    for await (const chunk of part.file as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(maxBytes);
      yield chunk;
    }
  } catch (error) {
    brokenForm(error);
  }
  if (size === 0)
    throw new GatewayError('validation_failed', undefined, {
      errors: [{ path: 'file', message: 'is empty' }],
    });
}

/** The form ended early, or is none. */
function brokenForm(error: unknown): never {
  if (error instanceof GatewayError) throw error;
  throw new GatewayError('malformed_request', 'The form is broken or ended too early.', {
    cause: error,
  });
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('payload_too_large', `An upload can have at most ${maxBytes} bytes.`);
}

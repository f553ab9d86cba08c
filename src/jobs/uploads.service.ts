import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Settings } from '../platform/config/settings.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { requireRate } from '../platform/http/upload-rate.js';
import { collectYoungGarbage } from '../platform/collect-garbage.js';
import { ReductoClient } from '../reducto/reducto.client.js';
import { UploadsClient } from '../reducto/uploads.client.js';
import { UploadForm } from './uploads/upload-form.js';
import { isUploadId } from './uploads/upload-references.js';
import {
  UploadStore,
  type StoredUpload,
  type UploadDigest,
  type UploadKey,
} from './uploads/upload.store.js';

/** Well below the lifetime of a lease. */
const RENEW_MILLISECONDS = 5000;

/** Streams uploads to Reducto; at most two chunks are in memory. */
@Injectable()
export class UploadsService {
  private readonly logger = new Logger(UploadsService.name);

  constructor(
    private readonly settings: Settings,
    private readonly client: UploadsClient,
    private readonly reducto: ReductoClient,
    private readonly store: UploadStore,
  ) {}

  /**
   * Uploads the file in `request` and returns its `reducto://` id, which then durably belongs to `service`. A used
   * `idempotencyKey` returns the earlier id. Throws `idempotency_key_reused` if the content differs, `idempotency_key_in_use`
   * while the first upload is in progress, and `request_timeout` if the file arrives too slowly.
   */
  async upload(
    service: string,
    request: FastifyRequest,
    extension: string | undefined,
    idempotencyKey: string | null,
  ): Promise<string> {
    const tooSlow = Promise.withResolvers<never>();
    const bytesPerSecond = this.settings.UPLOAD_MIN_BYTES_PER_SECOND;
    const graceSeconds = this.settings.REQUEST_BODY_TIMEOUT_SECONDS;
    const stop = requireRate(request.raw, { bytesPerSecond, graceSeconds }, () => {
      const detail = `An upload must arrive with at least ${bytesPerSecond} bytes per second.`;
      tooSlow.reject(new GatewayError('request_timeout', detail));
    });
    try {
      const upload = this.passOn(service, request, extension, idempotencyKey);
      return await Promise.race([upload, tooSlow.promise]);
    } finally {
      stop();
    }
  }

  /** Deletes an upload of `service`, here and at Reducto. Throws `upload_not_found` and `upstream_unavailable`. */
  async delete(service: string, id: string): Promise<void> {
    const isOwn = isUploadId(id) && (await this.store.findIssued(service, [id])).has(id);
    if (!isOwn) throw new GatewayError('upload_not_found');
    const answer = await this.reducto.deleteUpload(id);
    if (answer.kind !== 'deleted') {
      throw new GatewayError(
        answer.kind === 'refused' ? 'upstream_rejected' : 'upstream_unavailable',
        answer.error.message,
        { retryAfterSeconds: 5 },
      );
    }
    await this.store.deleteOne(service, id);
    if (!answer.found) throw new GatewayError('upload_not_found');
  }

  private async passOn(
    service: string,
    request: FastifyRequest,
    extension: string | undefined,
    idempotencyKey: string | null,
  ): Promise<string> {
    const form = await UploadForm.open(request, this.settings.UPLOAD_MAX_BYTES);
    try {
      return idempotencyKey === null
        ? await this.send(service, form, extension, null)
        : await this.sendOnce(
            { service, key: idempotencyKey, holder: randomUUID() },
            form,
            extension,
          );
    } catch (error) {
      form.abandon();
      throw error;
    }
  }

  private async sendOnce(
    key: UploadKey,
    form: UploadForm,
    extension: string | undefined,
  ): Promise<string> {
    const first = await this.store.findByKey(key.service, key.key);
    if (first !== undefined) return idOfRepeat(first, await form.readDigest());
    if (!(await this.store.acquireLease(key))) {
      throw new GatewayError(
        'idempotency_key_in_use',
        'An upload with this key is in progress. Repeat the request when it has ended.',
        { retryAfterSeconds: 2 },
      );
    }
    const renewal = setInterval(() => {
      // If the lease is lost, the unique index still accepts only one of the uploads.
      this.store
        .renewLease(key)
        .catch((error: unknown) => this.logger.warn({ msg: 'lease not renewed', err: error }));
    }, RENEW_MILLISECONDS);
    try {
      // The first upload may have ended between the two statements above.
      const ended = await this.store.findByKey(key.service, key.key);
      if (ended !== undefined) return idOfRepeat(ended, await form.readDigest());
      return await this.send(key.service, form, extension, key.key);
    } finally {
      clearInterval(renewal);
      await this.store
        .releaseLease(key)
        .catch((error: unknown) => this.logger.warn({ msg: 'lease not released', err: error }));
    }
  }

  private async send(
    service: string,
    form: UploadForm,
    extension: string | undefined,
    key: string | null,
  ): Promise<string> {
    const id = await this.client.uploadFile({
      name: form.name,
      contentType: form.contentType,
      content: collectYoungGarbage(form.read()),
      ...(extension === undefined ? {} : { extension: extension.replace(/^\./, '') }),
    });
    const isNew = await this.store.insert(service, id, form.digestOfRead, key);
    if (isNew || key === null) return id;
    const first = await this.store.findByKey(service, key);
    return first === undefined ? id : idOfRepeat(first, form.digestOfRead);
  }
}

function idOfRepeat(first: StoredUpload, { sha256 }: UploadDigest): string {
  if (first.sha256.equals(sha256)) return first.id;
  throw new GatewayError(
    'idempotency_key_reused',
    `It belongs to upload ${first.id}, whose content was another.`,
  );
}

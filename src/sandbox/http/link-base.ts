import { FastifyRequest } from 'fastify';
import { Backend } from '../backend.js';

/** The address of this platform as the caller sees it: links must work from there. */
export function linkBase({ options }: Backend, request: { host: FastifyRequest['host'] }): string {
  return options.publicUrl ?? `http://${request.host}`;
}
